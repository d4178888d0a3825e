//! How results are printed: lines for people, or JSON for programs.
//!
//! Keys and values are bytes. For people, bytes that are not text are escaped. In JSON they are strings under `key`
//! and `value` when they are text, and else base64 under `key_base64` and `value_base64`.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quorate_client::mvccpb::event::EventType;
use quorate_client::mvccpb::{Event, KeyValue};
use quorate_client::pb;
use serde_json::{Map, Value, json};

/// Bytes as a person reads them.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.escape_ascii().to_string()),
    }
}

/// `1 node`, `3 nodes`.
pub(crate) fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// Prints one line of JSON.
pub(crate) fn print_json(value: &Value) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{value}")
}

/// A key-value pair in JSON.
pub(crate) fn kv_json(kv: &KeyValue) -> Value {
    let mut object = Map::new();
    insert_bytes(&mut object, "key", &kv.key);
    insert_bytes(&mut object, "value", &kv.value);
    object.insert("create_revision".to_owned(), kv.create_revision.into());
    object.insert("mod_revision".to_owned(), kv.mod_revision.into());
    object.insert("version".to_owned(), kv.version.into());
    if kv.lease != 0 {
        object.insert("lease".to_owned(), format!("{:x}", kv.lease).into());
    }
    object.into()
}

/// A range's answer in JSON.
pub(crate) fn range_json(answer: &pb::RangeResponse) -> Value {
    json!({
        "revision": revision(answer.header.as_ref()),
        "count": answer.count,
        "more": answer.more,
        "kvs": answer.kvs.iter().map(kv_json).collect::<Vec<_>>(),
    })
}

/// A put's answer in JSON.
pub(crate) fn put_json(answer: &pb::PutResponse) -> Value {
    json!({
        "revision": revision(answer.header.as_ref()),
        "prev_kv": answer.prev_kv.as_ref().map(kv_json),
    })
}

/// A deletion's answer in JSON.
pub(crate) fn delete_json(answer: &pb::DeleteRangeResponse) -> Value {
    json!({
        "revision": revision(answer.header.as_ref()),
        "deleted": answer.deleted,
        "prev_kvs": answer.prev_kvs.iter().map(kv_json).collect::<Vec<_>>(),
    })
}

/// A watch event in JSON.
pub(crate) fn event_json(event: &Event) -> Value {
    json!({
        "type": event_name(event),
        "kv": event.kv.as_ref().map(kv_json),
        "prev_kv": event.prev_kv.as_ref().map(kv_json),
    })
}

/// What an event did.
pub(crate) fn event_name(event: &Event) -> &'static str {
    if event.r#type() == EventType::Delete { "DELETE" } else { "PUT" }
}

/// The store's revision as an answer's header tells it.
pub(crate) fn revision(header: Option<&pb::ResponseHeader>) -> i64 {
    header.map_or(0, |header| header.revision)
}

/// Puts bytes into a JSON object under `name`, or under `name_base64` if they are not text.
fn insert_bytes(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(_) => object.insert(format!("{name}_base64"), STANDARD.encode(bytes).into()),
    };
}

#[cfg(test)]
mod tests {
    use quorate_client::mvccpb::KeyValue;

    #[test]
    fn bytes_that_are_not_text_are_told_apart() {
        assert_eq!(super::text(b"gr\xc3\xbc\xc3\x9fe"), "grüße");
        assert_eq!(super::text(b"a\xff"), "a\\xff");
        let kv = KeyValue { key: "k".into(), value: vec![0xff].into(), lease: 255, ..Default::default() };
        let json = super::kv_json(&kv).to_string();
        assert!(json.contains(r#""key":"k""#), "{json}");
        assert!(json.contains(r#""value_base64":"/w==""#), "{json}");
        assert!(json.contains(r#""lease":"ff""#), "{json}");
    }
}
