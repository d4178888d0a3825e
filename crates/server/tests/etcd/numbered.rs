//! Numbered writes over the wire.

use super::*;

const HEADER: &str = "quorate-write";

fn numbered<T>(message: T, value: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(HEADER, MetadataValue::try_from(value).unwrap());
    request
}

fn put(value: &'static str) -> pb::PutRequest {
    pb::PutRequest { key: "k".into(), value: value.into(), prev_kv: true, ..pb::PutRequest::default() }
}

async fn open(channel: Channel) -> String {
    let mut maintenance = pb::maintenance_client::MaintenanceClient::new(channel);
    let answer = maintenance.status(numbered(pb::StatusRequest {}, "open")).await.unwrap();
    answer.metadata().get(HEADER).unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_numbered_write_is_done_once_and_answered_as_before() {
    let fixture = Fixture::start().await;
    let channel = fixture.channel().await;
    let session = open(channel.clone()).await;
    let mut kv = pb::kv_client::KvClient::new(channel.clone());
    let first = kv.put(numbered(put("1"), &format!("{session}/1/0"))).await.unwrap().into_inner();
    let between = kv.put(put("2")).await.unwrap().into_inner();
    let again = kv.put(numbered(put("1"), &format!("{session}/1/0"))).await.unwrap().into_inner();
    assert_eq!(first.header.as_ref().unwrap().revision, again.header.as_ref().unwrap().revision);
    assert_eq!(first.prev_kv, again.prev_kv);
    let next = kv.put(numbered(put("3"), &format!("{session}/2/1"))).await.unwrap().into_inner();
    assert_eq!(next.header.unwrap().revision, between.header.unwrap().revision + 1);
    let late = kv.put(numbered(put("1"), &format!("{session}/1/0"))).await.unwrap_err();
    assert_eq!(late.code(), Code::OutOfRange, "{late}");
    fixture.close().await;
}

#[tokio::test]
async fn what_is_no_number_is_refused() {
    let fixture = Fixture::start().await;
    let mut kv = pb::kv_client::KvClient::new(fixture.channel().await);
    for (value, code) in [
        ("open", Code::InvalidArgument),
        ("1/2", Code::InvalidArgument),
        ("ffff/1/0", Code::FailedPrecondition),
    ] {
        let error = kv.put(numbered(put("1"), value)).await.unwrap_err();
        assert_eq!(error.code(), code, "{value}: {error}");
    }
    fixture.close().await;
}
