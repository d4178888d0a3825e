//! Random histories with any values are written in both formats and read back.

use proptest::prelude::*;
use quorate_check::format::{Format, read, write_edn, write_jsonl};
use quorate_check::history::{Builder, Call, History, Order, Outcome, Return, Stamp, Value};

/// Any value. Those that EDN keeps as written are written as EDN would.
fn value() -> impl Strategy<Value = Value> {
    let written =
        ["1.5", "-2e9", "1/3", "\\a", "##Inf", "#inst \"2020\"", "99999999999999999999", "#a [1 #{:b}]"];
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-3..3_i64).prop_map(Value::Int),
        "[a-z:/$*][a-z0-9:/$*#'é.-]{0,6}".prop_map(|word| Value::Keyword(word.into())),
        any::<String>().prop_map(|text| Value::Text(text.into())),
        "[:$a\"\\\\\n]{0,4}".prop_map(|text| Value::Text(text.into())),
        proptest::sample::select(written.to_vec()).prop_map(|text| Value::Other(text.into())),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let pairs = proptest::collection::vec((inner.clone(), inner.clone()), 0..4);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::list),
            proptest::collection::vec(inner, 0..4).prop_map(Value::set),
            pairs.prop_map(Value::map),
        ]
    })
}

/// One thing that happens: to which of the processes, how a call would end, and what it says.
type Happening = (usize, u8, Value, Value, u8);

fn happening() -> impl Strategy<Value = Happening> {
    (0..4_usize, any::<u8>(), value(), value(), any::<u8>())
}

const PROCESSES: [&str; 4] = ["0", "a b", "-7", "007"];

fn build(order: Order, happenings: &[Happening]) -> History {
    let mut builder = Builder::new(order);
    let mut fault = None;
    for (process, end, input, output, more) in happenings {
        let name = PROCESSES[*process];
        let open = builder.open_input(name).map(|(_, input)| input.clone());
        if *more > 240 && order == Order::RealTime {
            match fault.take() {
                None => fault = Some(builder.fault("kill".into(), input.clone(), Stamp::Next, 0)),
                Some(fault) => builder.end_fault(fault, Stamp::Next, 0),
            }
            continue;
        }
        if open.is_none() {
            let session = (*process == 1).then_some("s:1");
            let node = (more % 3 == 0).then(|| "n~1".into());
            let (key, input) = (if more % 2 == 0 { Value::Nil } else { output.clone() }, input.clone());
            let f = ["read", "put it", ":f", "txn-x"][usize::from(*more) % 4].into();
            let time = (more % 5 == 0).then_some(i64::from(*more));
            let call = Call { process: name, session, node, f, key, input, at: Stamp::Next, line: 0, time };
            builder.call(call).expect("nothing is open");
            if order == Order::RealTime {
                continue;
            }
        }
        let asked = open.unwrap_or_else(|| input.clone());
        // A failure that only repeats its call's value, and the value of an unknown outcome, are not kept.
        let (outcome, output) = match end % 4 {
            0 if asked == *output => (Outcome::Fail, Value::Nil),
            0 => (Outcome::Fail, output.clone()),
            1 => (Outcome::Info, Value::Nil),
            _ => (Outcome::Ok, output.clone()),
        };
        let time = (order == Order::RealTime).then_some(i64::from(*end));
        let ret = Return { outcome, output, at: Stamp::Next, line: 0, time };
        builder.ret(name, ret).expect("it is open");
    }
    builder.finish().expect("each process does one thing at a time")
}

/// Lines are those of the writing; a time of a return is kept only where its line has one.
fn comparable(mut history: History) -> History {
    for op in &mut history.ops {
        op.lines = Default::default();
        if op.outcome == Outcome::Info || history.order == Order::Sessions {
            op.time = op.time.map(|(call, _)| (call, None));
        }
    }
    history.faults.iter_mut().for_each(|fault| fault.lines = Default::default());
    history
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(
        happenings in proptest::collection::vec(happening(), 1..14),
        real_time in any::<bool>(),
    ) {
        let order = if real_time { Order::RealTime } else { Order::Sessions };
        let history = build(order, &happenings);
        prop_assume!(!history.ops.is_empty());
        let [mut edn, mut jsonl] = [Vec::new(), Vec::new()];
        write_edn(&history, &mut edn).expect("memory takes it");
        write_jsonl(&history, &mut jsonl).expect("memory takes it");
        for (format, bytes) in [(Format::Edn, edn), (Format::JsonLines, jsonl)] {
            let text = String::from_utf8_lossy(&bytes);
            let again = read("h", &bytes);
            prop_assert!(again.is_ok(), "{:?}\n{}", again, text);
            let again = again.expect("just asserted");
            prop_assert_eq!(again.format, format);
            prop_assert_eq!(comparable(again.history), comparable(history.clone()), "\n{}", text);
        }
    }

    #[test]
    fn any_text_is_a_history_or_refused(text in "[{}\\[\\]()#_:\"\\\\;, \n0-9a-f.rw=-]{0,60}") {
        for format in quorate_check::format::FORMATS {
            let _ = quorate_check::format::read_as("h", text.as_bytes(), Some(format));
        }
    }
}
