//! `quorate etcd`: what starts etcd starts a node.
//!
//! Scripts, unit files and container images name etcd's flags and variables. Each flag is translated to `quorate serve`'s, accepted without
//! effect, or refused with what to do instead ([`flags`]); an unknown one is an error, as in etcd.

mod flags;
mod translate;

use super::serve;
use crate::failure::Failure;
use clap::{Args as _, FromArgMatches};
use flags::{Effect, FLAGS};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Run one node by etcd's flags and environment variables.
#[derive(clap::Args, Debug)]
#[command(disable_version_flag = true, after_help = help())]
pub(crate) struct Args {
    /// etcd's flags, with one dash or two
    #[arg(value_name = "ETCD-FLAGS", trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<String>,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let translated = translate::translate(&self.flags, &environment).map_err(Failure::Usage)?;
        if translated.wants_version {
            println!("{}", version());
            return Ok(());
        }
        for note in &translated.notes {
            eprintln!("quorate etcd: {note}");
        }
        let command = serve::Args::augment_args(clap::Command::new("serve").no_binary_name(true));
        let matches = command
            .try_get_matches_from(&translated.serve)
            .map_err(|error| Failure::Usage(error.to_string().trim_end().to_owned()))?;
        let args =
            serve::Args::from_arg_matches(&matches).map_err(|error| Failure::Usage(error.to_string()))?;
        args.run()
    }
}

/// What scripts look for stands first.
fn version() -> String {
    format!(
        "etcd Version: {}\nQuorate Version: {}\nOS/Arch: {}/{}",
        quorate_server::COMPATIBILITY_VERSION,
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

fn help() -> String {
    let mut text = "Examples:
  quorate etcd --name n1 --data-dir /var/lib/etcd --listen-client-urls http://10.0.0.1:2379 --advertise-client-urls http://10.0.0.1:2379
  ETCD_NAME=n1 ETCD_DATA_DIR=/var/lib/etcd quorate etcd
  ln -s $(command -v quorate) etcd   # then: etcd --version

Each flag --a-b may be given as the variable ETCD_A_B instead.

Flags with a meaning here:
"
    .to_owned();
    list(&mut text, |effect| match effect {
        Effect::Own => Some("as in etcd".to_owned()),
        Effect::Serve(own) => Some(format!("quorate serve --{own}")),
        Effect::Only(only, why) => Some(format!("only {only:?}: {why}")),
        Effect::Nothing(_) | Effect::Refused(_) => None,
    });
    text.push_str("\nAccepted, without effect:\n");
    list(&mut text, |effect| if let Effect::Nothing(why) = effect { Some(why.to_owned()) } else { None });
    text.push_str("\nRefused:\n");
    list(&mut text, |effect| if let Effect::Refused(why) = effect { Some(why.to_owned()) } else { None });
    text
}

/// Adds a line for each flag for which there are words.
fn list(text: &mut String, words: impl Fn(Effect) -> Option<String>) {
    for flag in FLAGS {
        if let Some(words) = words(flag.effect) {
            let _ = writeln!(text, "  --{:<34}{words}", flag.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::flags::{Effect, FLAGS};
    use crate::commands::serve;
    use clap::Args as _;

    #[test]
    fn what_is_translated_exists() {
        let serve = serve::Args::augment_args(clap::Command::new("serve"));
        let known = |name: &str| serve.get_arguments().any(|argument| argument.get_long() == Some(name));
        for flag in FLAGS {
            if let Effect::Serve(own) = flag.effect {
                assert!(known(own), "serve has no --{own}");
            }
        }
        for own in [
            "name",
            "data",
            "listen-client",
            "listen-peer",
            "cluster",
            "cluster-token",
            "advertise-client",
            "cluster-state",
        ] {
            assert!(known(own), "serve has no --{own}");
        }
    }

    #[test]
    fn no_flag_stands_twice() {
        for (position, flag) in FLAGS.iter().enumerate() {
            assert!(FLAGS[..position].iter().all(|other| other.name != flag.name), "{}", flag.name);
        }
    }
}
