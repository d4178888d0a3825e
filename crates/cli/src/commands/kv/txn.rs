//! `quorate kv txn`.

use std::io::{self, Read, Write};

use quorate_client::pb::response_op::Response;
use quorate_client::{Client, Txn, pb};
use serde_json::{Value, json};

use super::txn_text;
use crate::failure::Failure;
use crate::output::{delete_json, print_json, put_json, range_json, revision, text};

/// Do several things at once, if conditions hold
///
/// Conditions and operations come from the options, or else from standard input: conditions, what to do if they hold,
/// what to do if not, with an empty line after each part.
///
/// A condition is FIELD(KEY) OP VALUE, where FIELD is version, create, mod, value or lease, and OP is =, !=, < or >.
/// An operation is written as a command: put, get or del with its options.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  quorate kv txn --if 'version(lock) = 0' --then 'put lock me' --else 'get lock'
  quorate kv txn --if 'value(\"a key\") = \"old\"' --then 'put \"a key\" new'
  quorate kv txn < transfer.txt     where transfer.txt holds, for example:

      mod(balance) = 17

      put balance 250
      put audit/17 \"balance set to 250\"

      get balance")]
pub(crate) struct Args {
    /// A condition; all of them must hold
    #[arg(long = "if", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// What to do if they hold
    #[arg(long = "then", value_name = "OPERATION")]
    success: Vec<String>,
    /// What to do if one does not
    #[arg(long = "else", value_name = "OPERATION")]
    failure: Vec<String>,
}

impl Args {
    pub(super) async fn run(self, client: &Client, json: bool) -> Result<(), Failure> {
        let from_stdin = self.conditions.is_empty() && self.success.is_empty() && self.failure.is_empty();
        let txn = if from_stdin {
            let mut script = String::new();
            io::stdin().lock().read_to_string(&mut script)?;
            txn_text::parse_script(&script)
        } else {
            self.txn_of_options()
        };
        let answer = client.txn(txn.map_err(Failure::Usage)?).await?;
        if json {
            return Ok(print_json(&txn_json(&answer))?);
        }
        let mut out = io::stdout().lock();
        let verdict = if answer.succeeded { "the conditions held" } else { "the conditions did not hold" };
        writeln!(out, "{verdict}, revision {}", revision(answer.header.as_ref()))?;
        Ok(print_answers(&mut out, &answer)?)
    }

    fn txn_of_options(&self) -> Result<Txn, String> {
        let mut txn = Txn::new();
        for line in &self.conditions {
            txn = txn.when(txn_text::parse_condition(line)?);
        }
        for line in &self.success {
            txn = txn.then(txn_text::parse_operation(line)?);
        }
        for line in &self.failure {
            txn = txn.or_else(txn_text::parse_operation(line)?);
        }
        Ok(txn)
    }
}

fn print_answers(out: &mut impl Write, answer: &pb::TxnResponse) -> io::Result<()> {
    for part in answer.responses.iter().filter_map(|op| op.response.as_ref()) {
        match part {
            Response::ResponsePut(_) => writeln!(out, "put: OK")?,
            Response::ResponseDeleteRange(deleted) => writeln!(out, "del: {} deleted", deleted.deleted)?,
            Response::ResponseRange(range) => {
                writeln!(out, "get: {} found", range.count)?;
                for kv in &range.kvs {
                    writeln!(out, "{}\t{}", text(&kv.key), text(&kv.value))?;
                }
            }
            Response::ResponseTxn(nested) => print_answers(out, nested)?,
        }
    }
    Ok(())
}

fn txn_json(answer: &pb::TxnResponse) -> Value {
    let part = |op: &pb::ResponseOp| match &op.response {
        Some(Response::ResponsePut(put)) => json!({ "put": put_json(put) }),
        Some(Response::ResponseRange(range)) => json!({ "get": range_json(range) }),
        Some(Response::ResponseDeleteRange(deleted)) => json!({ "del": delete_json(deleted) }),
        Some(Response::ResponseTxn(nested)) => json!({ "txn": txn_json(nested) }),
        None => Value::Null,
    };
    json!({
        "revision": revision(answer.header.as_ref()),
        "succeeded": answer.succeeded,
        "responses": answer.responses.iter().map(part).collect::<Vec<_>>(),
    })
}
