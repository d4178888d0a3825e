//! From etcd's command line to the one of `quorate serve`.
//!
//! Flags win over variables, and of a flag that is given twice the last one counts, as in etcd. One dash does as well as two, and a value
//! stands behind `=` or behind a space.

use super::flags::{Effect, FLAGS, Flag, find, variable};
use std::collections::BTreeMap;

/// What the command line comes to.
#[derive(PartialEq, Eq, Debug, Default)]
pub(super) struct Translated {
    /// The flags of `quorate serve`.
    pub(super) serve: Vec<String>,
    /// What was accepted and changes nothing.
    pub(super) notes: Vec<String>,
    /// Only the version was asked for.
    pub(super) wants_version: bool,
}

/// Translates. `environment` holds the process's variables.
///
/// # Errors
/// What cannot be accepted, and what to do instead.
pub(super) fn translate(
    arguments: &[String],
    environment: &BTreeMap<String, String>,
) -> Result<Translated, String> {
    let mut translated = Translated::default();
    let mut given: BTreeMap<&'static str, String> = BTreeMap::new();
    for flag in FLAGS {
        if let Some(value) = environment.get(&variable(flag.name)) {
            given.insert(flag.name, checked(flag, value)?);
        }
    }
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(text) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else {
            return Err(format!("'{argument}' is not a valid flag; all of etcd's flags begin with dashes"));
        };
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        if name == "version" {
            translated.wants_version = true;
            return Ok(translated);
        }
        let flag = find(name)
            .ok_or_else(|| format!("--{name} is none of etcd's flags; quorate etcd --help lists them"))?;
        let value = match value {
            Some(value) => value.to_owned(),
            None if flag.is_switch => "true".to_owned(),
            None => rest.next().ok_or_else(|| format!("--{name} needs a value"))?.clone(),
        };
        given.insert(flag.name, checked(flag, &value)?);
    }
    translated.notes = notes(&given);
    translated.serve = serve(&given)?;
    Ok(translated)
}

/// Refuses what cannot be kept.
fn checked(flag: &Flag, value: &str) -> Result<String, String> {
    let name = flag.name;
    let value = if flag.is_switch {
        match value {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => "true",
            "0" | "f" | "F" | "false" | "FALSE" | "False" => "false",
            _ => return Err(format!("--{name}: {value:?} is neither true nor false")),
        }
    } else {
        value
    };
    match flag.effect {
        Effect::Refused(_) if value.is_empty() => Ok(String::new()),
        Effect::Refused(why) => Err(format!("--{name} is not supported: {why}")),
        Effect::Only(only, why) if value != only => {
            Err(format!("--{name}={value} is not supported, only {only:?}: {why}"))
        }
        _ => Ok(value.to_owned()),
    }
}

fn notes(given: &BTreeMap<&'static str, String>) -> Vec<String> {
    let note = |name: &&'static str| match find(name)?.effect {
        Effect::Nothing(why) => Some(format!("--{name} changes nothing: {why}")),
        _ => None,
    };
    given.keys().filter_map(note).collect()
}

/// The flags of `serve`, from what was given and etcd's defaults.
fn serve(given: &BTreeMap<&'static str, String>) -> Result<Vec<String>, String> {
    let get = |name: &str| given.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let name = get("name").unwrap_or("default");
    let data = get("data-dir").map_or_else(|| format!("{name}.etcd"), str::to_owned);
    let listen_client =
        addresses("listen-client-urls", get("listen-client-urls").unwrap_or("http://localhost:2379"))?;
    let listen_peer =
        addresses("listen-peer-urls", get("listen-peer-urls").unwrap_or("http://localhost:2380"))?;
    let advertised = get("initial-advertise-peer-urls").unwrap_or("http://localhost:2380");
    let [listen_peer] = listen_peer.as_slice() else {
        return Err("--listen-peer-urls: name one URL; peers talk to each other at one address".to_owned());
    };
    let mut serve: Vec<String> = Vec::new();
    let mut put = |name: &str, value: &str| serve.extend([format!("--{name}"), value.to_owned()]);
    put("name", name);
    put("data", &data);
    put("listen-client", &listen_client.join(","));
    put("listen-peer", listen_peer);
    put("cluster", &cluster(get("initial-cluster"), name, advertised)?);
    put("cluster-token", get("initial-cluster-token").unwrap_or("etcd-cluster"));
    if let Some(urls) = get("advertise-client-urls") {
        put("advertise-client", urls);
    } else if given.contains_key("listen-client-urls") {
        return Err("--advertise-client-urls is required when --listen-client-urls is set".to_owned());
    }
    match get("initial-cluster-state") {
        None | Some("new") => {}
        Some("existing") => put("cluster-state", "existing"),
        Some(other) => {
            return Err(format!("--initial-cluster-state: {other:?} is neither \"new\" nor \"existing\""));
        }
    }
    for flag in FLAGS {
        if let (Effect::Serve(own), Some(value)) = (flag.effect, get(flag.name)) {
            match (flag.is_switch, value) {
                (true, "true") => serve.push(format!("--{own}")),
                (true, _) => {}
                (false, value) => serve.extend([format!("--{own}"), value.to_owned()]),
            }
        }
    }
    Ok(serve)
}

/// `NAME=URL,…` as `NAME=HOST:PORT,…`.
fn cluster(given: Option<&str>, name: &str, advertised: &str) -> Result<String, String> {
    let Some(given) = given else {
        let own = addresses("initial-advertise-peer-urls", advertised)?;
        return Ok(format!("{name}={}", own[0]));
    };
    let mut members: Vec<String> = Vec::new();
    for member in given.split(',') {
        let (name, url) = member
            .split_once('=')
            .ok_or_else(|| format!("--initial-cluster: {member:?} is not of the form NAME=URL"))?;
        let prefix = format!("{name}=");
        if members.iter().any(|known| known.starts_with(&prefix)) {
            return Err(format!(
                "--initial-cluster: {name} has two URLs; peers talk to each other at one address"
            ));
        }
        members.push(format!("{prefix}{}", address("initial-cluster", url)?));
    }
    if !members.iter().any(|member| member.starts_with(&format!("{name}="))) {
        return Err(format!(
            "couldn't find local name {name:?} in the initial cluster configuration {given:?}; give this member's --name"
        ));
    }
    Ok(members.join(","))
}

fn addresses(flag: &str, urls: &str) -> Result<Vec<String>, String> {
    urls.split(',').map(|url| address(flag, url)).collect()
}

/// `host:port` of a URL.
fn address(flag: &str, url: &str) -> Result<String, String> {
    let url = url.trim();
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))
        .ok_or_else(|| format!("--{flag}: {url:?} begins with neither http:// nor https://"))?;
    let rest = rest.trim_end_matches('/');
    let has_port =
        rest.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if rest.contains('/') || !has_port {
        return Err(format!("--{flag}: {url:?} must name a host and a port, and no path"));
    }
    Ok(rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Translated, translate};
    use std::collections::BTreeMap;

    fn translated(line: &str, environment: &[(&str, &str)]) -> Result<Translated, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let environment: BTreeMap<String, String> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        translate(&arguments, &environment)
    }

    #[test]
    fn a_command_line_is_translated() {
        let check = |line: &str, environment: &[(&str, &str)], expect: &str| {
            assert_eq!(translated(line, environment).expect("valid").serve.join(" "), expect, "{line}");
        };
        check(
            "",
            &[],
            "--name default --data default.etcd --listen-client localhost:2379 --listen-peer localhost:2380 \
             --cluster default=localhost:2380 --cluster-token etcd-cluster",
        );
        check(
            "--name a -data-dir=/d --listen-client-urls http://1.2.3.4:1,http://127.0.0.1:2 --advertise-client-urls=http://h:1 \
             --listen-peer-urls http://0.0.0.0:3 --initial-cluster a=http://h:3,b=https://i:3/ --initial-cluster-token t \
             --initial-cluster-state existing --election-timeout 500 --client-cert-auth --auto-tls=false",
            &[],
            "--name a --data /d --listen-client 1.2.3.4:1,127.0.0.1:2 --listen-peer 0.0.0.0:3 --cluster a=h:3,b=i:3 --cluster-token t \
             --advertise-client http://h:1 --cluster-state existing --election-ms 500 --client-cert-auth",
        );
        check(
            "--name b",
            &[("ETCD_NAME", "a"), ("ETCD_DATA_DIR", "/e"), ("ETCD_UNKNOWN", "x"), ("ETCD_DISCOVERY", "")],
            "--name b --data /e --listen-client localhost:2379 --listen-peer localhost:2380 --cluster b=localhost:2380 \
             --cluster-token etcd-cluster",
        );
    }

    #[test]
    fn what_changes_nothing_is_said() {
        let found = translated("--snapshot-count 5000 --pre-vote --logger=zap", &[]).expect("valid");
        assert_eq!(found.notes.len(), 3, "{:?}", found.notes);
        assert!(translated("--name x --version", &[]).expect("valid").wants_version);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_advice() {
        let check = |line: &str, expect: &str| {
            let error = translated(line, &[]).expect_err(line);
            assert!(error.contains(expect), "{line}: {error}");
        };
        check("--discovery http://d", "--initial-cluster");
        check("--unsafe-no-fsync", "on disk");
        check("--enable-v2=maybe", "neither true nor false");
        check("--enable-v3", "none of etcd's flags");
        check("--name", "needs a value");
        check("serve", "not a valid flag");
        check("--listen-client-urls http://h:1", "--advertise-client-urls is required");
        check("--listen-client-urls h:1 --advertise-client-urls http://h:1", "neither http:// nor https://");
        check("--listen-peer-urls http://h:1,http://i:1", "name one URL");
        check("--initial-cluster a=http://h:1", "local name \"default\"");
        check("--initial-cluster default=http://h:1,default=http://i:1", "two URLs");
        check("--initial-cluster-state maybe", "neither \"new\" nor \"existing\"");
    }
}
