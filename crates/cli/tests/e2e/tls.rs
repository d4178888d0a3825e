//! Three nodes with mutual TLS among themselves and with their clients, asked by our client and by etcd's.

use crate::pki::{Authority, Wish};
use crate::process::{Process, Turn, free_address, run, take_turn};
use quorate_tls::Identity;
use std::process::{Command, Output};
use tempfile::TempDir;

const NODES: usize = 3;

struct Secured {
    processes: Vec<Process>,
    endpoints: String,
    /// What a good client is given: authority, certificate and key.
    options: Vec<String>,
    clients: Authority,
    dir: TempDir,
    _turn: Turn,
}

impl Secured {
    fn start() -> Self {
        let turn = take_turn();
        let dir = tempfile::tempdir().unwrap();
        let clients = Authority::new(dir.path(), "clients");
        let peers = Authority::new(dir.path(), "peers");
        let name = |at: usize| format!("n{}", at + 1);
        let members: Vec<String> = (0..NODES).map(|at| format!("{}={}", name(at), free_address())).collect();
        let endpoints: Vec<String> = (0..NODES).map(|_| free_address()).collect();
        let start = |at: usize| {
            let mut arguments = vec!["serve".to_owned()];
            let mut flag = |name: &str, value: &str| arguments.extend([name.to_owned(), value.to_owned()]);
            flag("--name", &name(at));
            flag("--data", dir.path().join(name(at)).to_str().unwrap());
            flag("--listen-client", &endpoints[at]);
            flag("--cluster", &members.join(","));
            let own = |authority: &Authority| authority.issue(&name(at), &Wish::default());
            let Identity { cert, key } = own(&clients);
            flag("--cert-file", cert.to_str().unwrap());
            flag("--key-file", key.to_str().unwrap());
            flag("--trusted-ca-file", clients.file.to_str().unwrap());
            let Identity { cert, key } = own(&peers);
            flag("--peer-cert-file", cert.to_str().unwrap());
            flag("--peer-key-file", key.to_str().unwrap());
            flag("--peer-trusted-ca-file", peers.file.to_str().unwrap());
            flag("--peer-cert-allowed-cn", Wish::default().common_name);
            arguments.extend(["--client-cert-auth", "--peer-client-cert-auth"].map(str::to_owned));
            Process::start(&arguments, &dir.path().join(name(at) + ".log"))
        };
        let processes: Vec<Process> = (0..NODES).map(start).collect();
        processes.iter().for_each(|process| drop(process.wait_for("ready: ")));
        let options = options(&clients, &clients.issue("client", &Wish::default()));
        Secured { processes, endpoints: endpoints.join(","), options, clients, dir, _turn: turn }
    }

    /// Our own client, with these options for TLS.
    fn quorate(&self, options: &[String], arguments: &[&str]) -> Output {
        let mut all: Vec<&str> = arguments.to_vec();
        all.extend(["--endpoints", &self.endpoints]);
        all.extend(options.iter().map(String::as_str));
        run(&all)
    }
}

fn options(authority: &Authority, Identity { cert, key }: &Identity) -> Vec<String> {
    let pairs = [("--cacert", &authority.file), ("--cert", cert), ("--key", key)];
    pairs.iter().flat_map(|(name, path)| [(*name).to_owned(), path.display().to_string()]).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_cluster_with_mutual_tls_serves_whom_it_knows() {
    let secured = Secured::start();
    let good = &secured.options;
    let put = secured.quorate(good, &["kv", "put", "greeting", "hello", "--timeout", "20s"]);
    assert!(put.status.success(), "{}", said(&put));
    let get = secured.quorate(good, &["kv", "get", "greeting"]);
    assert!(said(&get).contains("hello"), "{}", said(&get));
    let first = secured.endpoints.split(',').next().unwrap();
    let status =
        run(&[&["status", "--endpoints", first], &good.iter().map(String::as_str).collect::<Vec<_>>()[..]]
            .concat());
    assert_eq!(said(&status).matches("https://127.0.0.1:").count(), NODES, "{}", said(&status));
    let bench = secured.quorate(good, &["bench", "put", "--count", "50", "--connections", "2"]);
    assert!(bench.status.success(), "{}", said(&bench));
    let other = Authority::new(secured.dir.path(), "other");
    let stranger = options(&secured.clients, &other.issue("client", &Wish::default()));
    let cases = [&good[..2], &stranger, &[], &["--insecure-skip-tls-verify".to_owned()]];
    for bad in cases {
        let get = secured.quorate(bad, &["kv", "get", "greeting", "--timeout", "500ms"]);
        assert_eq!(get.status.code(), Some(3), "{bad:?}: {}", said(&get));
    }
    etcdctl(&secured);
    for process in secured.processes {
        assert!(process.terminate().success());
    }
}

fn etcdctl(secured: &Secured) {
    let command = |arguments: &[&str]| {
        let endpoints: Vec<String> =
            secured.endpoints.split(',').map(|endpoint| format!("https://{endpoint}")).collect();
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &endpoints.join(",")]).args(&secured.options);
        command.args(arguments).output()
    };
    let Ok(get) = command(&["get", "greeting"]) else {
        println!("skipped: etcdctl is not installed");
        return;
    };
    assert_eq!(said(&get), "greeting\nhello\n");
    let members = said(&command(&["member", "list"]).unwrap());
    assert_eq!(members.matches("https://127.0.0.1:").count(), 2 * NODES, "{members}");
    let health = said(&command(&["endpoint", "health"]).unwrap());
    assert_eq!(health.matches(" is healthy").count(), NODES, "{health}");
}

#[test]
fn certificates_that_nodes_make_themselves_are_enough_for_secrecy() {
    let _turn = take_turn();
    let dir = tempfile::tempdir().unwrap();
    let endpoint = free_address();
    let data = dir.path().join("data");
    let file = dir.path().join("node.toml");
    let text =
        format!("data = {data:?}\nlisten-client = {endpoint:?}\nauto-tls = true\npeer-auto-tls = true\n");
    std::fs::write(&file, text).unwrap();
    let process = Process::start(&["serve", "--config", file.to_str().unwrap()], &dir.path().join("log"));
    process.wait_for("ready: ");
    let made = data.join("fixtures/client/cert.pem");
    let put = ["kv", "put", "a", "1", "--endpoints", &endpoint, "--cacert", made.to_str().unwrap()];
    let put = run(&put);
    assert!(put.status.success(), "{}", said(&put));
    assert!(process.terminate().success());
    std::fs::write(&file, "auto-tls = true\nno-such-key = 1\n").unwrap();
    let refused = run(&["serve", "--config", file.to_str().unwrap()]);
    assert!(said(&refused).contains("no-such-key"), "{}", said(&refused));
    let half = run(&["serve", "--cert-file", "only-this.pem"]);
    assert!(said(&half).contains("must both be present"), "{}", said(&half));
}
