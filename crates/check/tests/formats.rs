//! Every format, read from small files in `fixtures/formats`, written, read again, cut and corrupted.

use quorate_check::format::{self, Format, Loaded, read, read_as, split_keys, write_edn, write_jsonl};
use quorate_check::history::{History, OpId, Order, Point};
use std::fs;

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/formats/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn load(name: &str) -> Loaded {
    read(name, &fixture(name)).unwrap_or_else(|error| panic!("{error}"))
}

/// Each operation in words with its interval, then each fault.
fn show(history: &History) -> Vec<String> {
    let until = |point: Point| if point == Point::NEVER { "…".to_owned() } else { point.0.to_string() };
    let ops = history.iter().map(|(id, op)| {
        let session = &history.sessions[op.session.0 as usize];
        format!("{}..{} {session}: {}", op.call.0, until(op.ret), history.describe(id))
    });
    let faults = history.faults.iter().map(|fault| {
        format!("{}..{} {} {}{}", fault.from.0, until(fault.until), fault.f, fault.value, fault.lines)
    });
    ops.chain(faults).collect()
}

fn check(name: &str, format: Format, order: Order, expect: &[&str]) {
    let loaded = load(name);
    assert_eq!((loaded.format, loaded.history.order), (format, order), "{name}");
    assert_eq!(show(&loaded.history), expect, "{name}");
}

#[test]
fn jepsen_edn() {
    check(
        "jepsen.edn",
        Format::Edn,
        Order::RealTime,
        &[
            "0..3 0: process 0: write 1 → 1 (lines 2, 5)",
            "2..4 1: process 1: read → 1 (lines 4, 7)",
            "5..… 0: process 0: cas [1 2] unknown (lines 9, 11)",
            "7..8 2: process 2: cas [5 6] failed (lines 14, 15)",
            "11..… 1: process 1: read unknown (line 18)",
            "1..6 start-partition nil (lines 3, 13)",
            "9..10 truncate-file \"n1\" (lines 16, 17)",
        ],
    );
    check(
        "vector.edn",
        Format::Edn,
        Order::RealTime,
        &["0..1 0: process 0: txn → [[:append 1 2] [:r 1 [2]]] (lines 1, 2)"],
    );
    check(
        "ok-only.edn",
        Format::Edn,
        Order::Sessions,
        &[
            "0..1 0: process 0: txn → [[:w :x 1] [:r :y nil]] (line 1)",
            "2..3 1: process 1: txn → [[:r :x 1]] (line 2)",
            "4..5 0: process 0: txn [[:w :x 2]] failed (line 3)",
            "6..… ?1: process ?1: txn [[:w :y 3]] unknown (line 4)",
            "7..8 ?2: process ?2: txn → [[:r :y 3]] (line 5)",
        ],
    );
    check(
        "unsorted.edn",
        Format::Edn,
        Order::RealTime,
        &["0..1 0: process 0: write 1 → 1 (lines 3, 4)", "2..3 1: process 1: read → 1 (lines 1, 2)"],
    );
    check(
        "kv.log",
        Format::Edn,
        Order::RealTime,
        &[
            "0..2 1: process 1: append \"3\" \"x 1 0 y\" → \"x 1 0 y\" (lines 1, 3)",
            "1..3 0: process 0: get \"3\" → \"\" (lines 2, 4)",
        ],
    );
}

#[test]
fn json() {
    check(
        "elle.json",
        Format::Json,
        Order::RealTime,
        &["0..1 0: process 0: txn → [[\"append\" 1 2] [\"r\" 1 [2]]] (lines 2, 3)", "2..… kill nil (line 4)"],
    );
    check(
        "own.jsonl",
        Format::JsonLines,
        Order::RealTime,
        &[
            "0..3 s1: process c1: write \"x\" 1 → nil (lines 2, 5)",
            "2..4 c2: process c2: read \"x\" → #{1 :a 1/2} (lines 4, 6)",
            "1..5 kill [\"n2\"] (lines 3, 7)",
        ],
    );
    check(
        "whole.jsonl",
        Format::JsonLines,
        Order::RealTime,
        &[
            "0..3 1: process 1: write \"x\" 1 → nil (line 1)",
            "2..6 2: process 2: read \"x\" → 1 (line 2)",
            "4..5 1: process 1: read \"x\" → nil (line 3)",
            "8..… 2: process 2: write \"x\" 3 unknown (line 4)",
            "1..7 pause nil (lines 5, 6)",
        ],
    );
    check(
        "operations.json",
        Format::Operations,
        Order::RealTime,
        &[
            "0..3 0: process 0: put \"a\" \"1\" → {} (line 1)",
            "1..2 1: process 1: get \"a\" → \"1\" (line 2)",
            "4..… 1: process 1: put \"a\" \"2\" unknown (line 3)",
        ],
    );
}

#[test]
fn porcupine_logs() {
    check(
        "etcd.log",
        Format::PorcupineLog,
        Order::RealTime,
        &[
            "0..2 0: process 0: read failed (lines 2, 4)",
            "1..3 1: process 1: cas [1 2] → false (lines 3, 5)",
            "5..… 2: process 2: write 4 unknown (lines 7, 8)",
            "4..… start nil (line 6)",
        ],
    );
}

#[test]
fn transactions() {
    let two_sessions =
        ["0..1 0: process 0: txn → [[:w 0 1] [:r 1 nil]]", "2..3 1: process 1: txn [[:r 0 1]] failed"];
    check("dbcop.bincode", Format::DbcopBincode, Order::Sessions, &two_sessions);
    let [first, second] = two_sessions;
    let with_lines = [format!("{first} (line 2)"), format!("{second} (line 3)")];
    check("dbcop.json", Format::DbcopJson, Order::Sessions, &with_lines.each_ref().map(String::as_str));
    check(
        "dbcop.hist",
        Format::DbcopText,
        Order::Sessions,
        &[
            "0..1 0: process 0: txn → [[:w \"x\" 1] [:r \"y\" nil]] (line 2)",
            "2..3 0: process 0: txn [[:r \"x\" 1]] failed (line 2)",
            "4..5 1: process 1: txn → [[:w \"y\" 2]] (line 4)",
        ],
    );
    check(
        "plume.txt",
        Format::Plume,
        Order::Sessions,
        &[
            "0..1 0: process 0: txn → [[:w 1 5] [:r 1 5]] (line 1)",
            "2..3 1: process 1: txn → [[:r 2 nil]] (line 2)",
            "4..5 0: process 0: txn [[:w 1 6]] failed (line 4)",
        ],
    );
    check(
        "awdit.txt",
        Format::Awdit,
        Order::Sessions,
        &[
            "0..1 0: process 0: txn → [[:w 1 5] [:r 1 5]] (line 1)",
            "2..3 0: process 0: txn → [[:w 2 6]] (line 4)",
            "4..5 1: process 1: txn → [[:r 2 nil]] (line 6)",
        ],
    );
}

const FIXTURES: [&str; 16] = [
    "jepsen.edn",
    "vector.edn",
    "ok-only.edn",
    "unsorted.edn",
    "kv.log",
    "elle.json",
    "own.jsonl",
    "whole.jsonl",
    "operations.json",
    "etcd.log",
    "plume.txt",
    "awdit.txt",
    "dbcop.hist",
    "dbcop.json",
    "dbcop.bincode",
    "strings.edn",
];

/// As read back from a writing of it: lines apart, everything is the same.
fn without_lines(mut history: History) -> History {
    history.ops.iter_mut().for_each(|op| op.lines = Default::default());
    history.faults.iter_mut().for_each(|fault| fault.lines = Default::default());
    history
}

fn write(history: &History) -> [Vec<u8>; 2] {
    let [mut edn, mut jsonl] = [Vec::new(), Vec::new()];
    write_edn(history, &mut edn).expect("memory takes it");
    write_jsonl(history, &mut jsonl).expect("memory takes it");
    [edn, jsonl]
}

#[test]
fn what_is_written_is_read_back() {
    for name in FIXTURES {
        let history = load(name).history;
        let [edn, jsonl] = write(&history);
        for (format, bytes) in [(Format::Edn, edn), (Format::JsonLines, jsonl)] {
            let text = String::from_utf8_lossy(&bytes);
            let again =
                read(name, &bytes).unwrap_or_else(|error| panic!("{name} as {format}: {error}\n{text}"));
            assert_eq!(again.format, format, "{name}");
            assert_eq!(
                without_lines(again.history),
                without_lines(history.clone()),
                "{name} as {format}:\n{text}"
            );
        }
    }
}

/// A text gives a history or is refused at a line that it has; nothing panics, nothing hangs.
fn survives(name: &str, bytes: &[u8]) {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    for format in [None, Some(load(name).format)] {
        match read_as(name, bytes, format) {
            Ok(mut loaded) => {
                split_keys(&mut loaded.history);
                write(&loaded.history);
            }
            Err(bad) => {
                assert!(bad.line as usize <= lines, "{bad} of {lines} lines");
                assert!(bad.to_string().starts_with(name), "{bad}");
            }
        }
    }
}

#[test]
fn every_truncation_is_survived() {
    for name in FIXTURES {
        let bytes = fixture(name);
        (0..bytes.len()).for_each(|length| survives(name, &bytes[..length]));
    }
}

#[test]
fn corrupted_bytes_are_survived() {
    for name in FIXTURES {
        let bytes = fixture(name);
        for at in (0..bytes.len()).step_by(3) {
            for byte in [b' ', b'"', b'}', b'[', b'\\', b'#', b'0', b'\n', 0, 0xFF] {
                let mut bytes = bytes.clone();
                bytes[at] = byte;
                survives(name, &bytes);
            }
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    let check = |text: &str, expect: &str| {
        let bad = read("h", text.as_bytes()).unwrap_err();
        assert_eq!(bad.to_string(), expect, "{text}");
    };
    let invoke = "{:type :invoke, :process 0, :f :read}\n";
    check("", "h: the file is empty");
    check(" \n", "h: the file is empty");
    check("hello", &format!("h:1: no known format begins like this; name one of {}", names()));
    check("{:type :ok, :process 0}", "h:1: the operation has no `f`: write what was called, such as read");
    check("\n\n{:process 0, :f :read}", "h:3: the operation has no `type`: write invoke, ok, fail or info");
    check("{:type :okay, :f :read}", "h:1: `type` is :okay, expected invoke, ok, fail or info");
    check("{:type :ok, :f 3}", "h:1: `f` is 3, expected a word such as read");
    check("{:type :ok, :f :read, :process [1]}", "h:1: `process` is [1], expected a number or a name");
    check("{:type :ok, :f :read, :index \"a\"}", "h:1: `index` is \"a\", expected a whole number");
    check(
        &format!("{invoke}{{:type :ok, :process 0, :f :read"),
        "h:2: the text ends within the map that begins on this line",
    );
    check(&format!("{invoke}{{:type :ok, :process 0, :f ]}}"), "h:2: found `]`, expected a value");
    check(&format!("{invoke}17"), "h:2: found `17`, expected a map like {:type :invoke, …}");
    check(&format!("[{invoke}"), "h:2: the list of operations has no closing bracket");
    check(&format!("[{invoke}] {{}}"), "h:2: found `{`, expected nothing more after the list of operations");
    check(&format!("{invoke}{invoke}"), "h:2: process 0 calls again before its call on line 1 has returned");
    check(
        &format!("{invoke}{{:type :ok, :process 1, :f :read}}"),
        "h:2: process 1 returns, and has nothing called",
    );
    check(
        &format!("{{:type :ok, :process 1, :f :read}}\n{invoke}"),
        "h:2: an invocation, but line 1 completes without one: give all operations invocations, or none",
    );
    check(
        "{:type :invoke, :f :read}\n{:type :invoke, :f :read}\n{:type :ok, :f :read}",
        "h:3: a completion without `process`, while 2 calls without `process` are open: name the process",
    );
    check("{\"type\": \"ok\", \"f\": \"read\" 1}", "h:1: found `1`, expected a comma or the closing bracket");
    check(
        "{\"f\":\"read\",\"start\":1}",
        "h:1: the operation has no `end`: an operation with `start` needs it too, unless its type is info",
    );
    check(
        "{\"f\":\"read\",\"process\":1,\"start\":2,\"end\":1}",
        "h:1: the operation of process 1 on line 1 ends before it begins",
    );
    check(
        "{\"f\":\"read\",\"process\":1,\"start\":2,\"end\":3}\n{\"type\":\"invoke\",\"f\":\"read\"}",
        "h:2: operations with `start` stamps and events without them: their order cannot be told",
    );
    check(
        "{:process :nemesis, :fault :end, :id 3, :type :info}\n{:type :ok, :f :read}",
        "h:1: the end of fault 3, which is not open",
    );
    check("INFO jepsen.util - 0\t:invoke\tread", "h:1: found `read`, expected an operation such as :read");
    check(
        "{\"f\":\"read\",\"process\":1,\"start\":2,\"end\":3}\n{\"f\":\"read\",\"process\":1,\"start\":3,\"end\":4}",
        "h:2: session 1 has two operations at once, on lines 1 and 2",
    );
}

fn names() -> String {
    format::FORMATS.map(Format::name).join(", ")
}

#[test]
fn calls_without_a_process_are_paired_one_by_one() {
    let text = "{:type :invoke, :f :read} {:type :ok, :f :read, :value 1} {:type :invoke, :f :read}";
    let history = read("h", text.as_bytes()).unwrap().history;
    assert_eq!(
        show(&history),
        ["0..1 ?1: process ?1: read → 1 (line 1)", "2..… ?2: process ?2: read unknown (line 1)"]
    );
    assert!(history.precedes(OpId(0), OpId(1)));
}

#[test]
fn a_window_may_end_anywhere() {
    struct Slow<'a>(&'a [u8]);
    impl std::io::Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.len().min(buffer.len()).min(1);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }
    // Long enough for several windows, whose ends fall anywhere within the lines.
    let mut text = String::new();
    for at in 0..20_000 {
        text += &format!("{{:type :invoke, :process {}, :f :write, :value \"v{at}\"}}\n", at % 7);
        text += &format!(
            "{{:type :ok, :process {}, :f :write, :value [{at} {{:a #{{{at}}}}}]}} ; done\n",
            at % 7
        );
    }
    let whole = read("h", text.as_bytes()).unwrap().history;
    let slow = std::io::BufReader::with_capacity(7, Slow(text.as_bytes()));
    let by_bytes = format::read_from("h", slow, None).unwrap().history;
    assert_eq!(whole, by_bytes);
    assert_eq!(whole.ops.len(), 20_000);
}

#[test]
fn the_corpus_is_read() {
    let directory = format!("{}/corpus/formats", env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{directory}: {error}"));
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    names.sort();
    for path in &names {
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let loaded = read(&path.display().to_string(), &bytes).unwrap_or_else(|error| panic!("{error}"));
        assert!(!loaded.history.ops.is_empty(), "{path:?}");
    }
    assert!(names.len() > 5);
}
