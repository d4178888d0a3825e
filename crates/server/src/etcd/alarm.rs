//! Alarms, as operators see and set them.

use crate::call::Call;
use crate::grpc::{Reply, Status};
use quorate_kv::{Alarm, AlarmCommand, AlarmKind, Command, Outcome, RaisedBy, View};
use quorate_proto::etcdserverpb::alarm_request::AlarmAction;
use quorate_proto::etcdserverpb::{self as pb, AlarmType};
use quorate_types::NodeId;

/// Lists, raises or ends alarms of the call's keyspace. Without a kind all are listed, and nothing is raised or ended.
pub(super) async fn alarm(call: Call, request: pb::AlarmRequest) -> Result<Reply, Status> {
    let kind = kind_of(request.alarm)?;
    let action = AlarmAction::try_from(request.action)
        .map_err(|_| Status::invalid_argument("the alarm's action is none of GET, ACTIVATE, DEACTIVATE"))?;
    let named = kind.map(|kind| Alarm { kind, member: NodeId(request.member_id) });
    let command = match (action, named) {
        (AlarmAction::Activate, Some(alarm)) => AlarmCommand::Raise { alarm, by: RaisedBy::Operator },
        (AlarmAction::Deactivate, Some(alarm)) => AlarmCommand::Disarm { alarm },
        (AlarmAction::Get, _) => {
            let view = call.view(false).await?;
            let wanted = |alarm: &Alarm| kind.is_none_or(|kind| kind == alarm.kind);
            return reply(&call, &view, view.alarms().into_iter().filter(wanted));
        }
        (AlarmAction::Activate | AlarmAction::Deactivate, None) => {
            return reply(&call, &call.served.keyspace.local_view(), std::iter::empty());
        }
    };
    let done = call.execute(Command::Alarm(command)).await?;
    let Outcome::Alarms { alarms } = done.outcome else { unreachable!("an alarm has an alarm's outcome") };
    reply(&call, &call.served.keyspace.local_view(), alarms.into_iter())
}

fn reply(call: &Call, view: &View, alarms: impl Iterator<Item = Alarm>) -> Result<Reply, Status> {
    let header = Some(call.header(view.revision()));
    Reply::new(&pb::AlarmResponse { header, alarms: alarms.map(member).collect() })
}

fn kind_of(number: i32) -> Result<Option<AlarmKind>, Status> {
    match AlarmType::try_from(number) {
        Ok(AlarmType::None) => Ok(None),
        Ok(AlarmType::Nospace) => Ok(Some(AlarmKind::NoSpace)),
        Ok(AlarmType::Corrupt) => Ok(Some(AlarmKind::Corrupt)),
        Err(_) => Err(Status::invalid_argument("the alarm is none of NONE, NOSPACE, CORRUPT")),
    }
}

fn member(alarm: Alarm) -> pb::AlarmMember {
    let kind = match alarm.kind {
        AlarmKind::NoSpace => AlarmType::Nospace,
        AlarmKind::Corrupt => AlarmType::Corrupt,
    };
    pb::AlarmMember { member_id: alarm.member.0, alarm: kind.into() }
}

/// An alarm's name in texts.
pub(crate) fn name(kind: AlarmKind) -> &'static str {
    match kind {
        AlarmKind::NoSpace => "NOSPACE",
        AlarmKind::Corrupt => "CORRUPT",
    }
}

/// How `Status` lists an alarm, to the last blank.
pub(super) fn text(alarm: Alarm) -> String {
    let name = name(alarm.kind);
    match alarm.member.0 {
        0 => format!("alarm:{name} "),
        member => format!("memberID:{member} alarm:{name} "),
    }
}

#[cfg(test)]
mod tests {
    use super::text;
    use quorate_kv::{Alarm, AlarmKind};
    use quorate_types::NodeId;

    #[test]
    fn alarms_are_listed_as_etcd_does() {
        let check = |kind, member, expect: &str| {
            assert_eq!(text(Alarm { kind, member: NodeId(member) }), expect);
        };
        check(AlarmKind::NoSpace, 7, "memberID:7 alarm:NOSPACE ");
        check(AlarmKind::Corrupt, 0, "alarm:CORRUPT ");
    }
}
