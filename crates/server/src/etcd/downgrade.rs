//! Downgrades, of which there are none: the cluster's format has one version.

use crate::call::Call;
use crate::error;
use crate::grpc::{Reply, Status};
use crate::options::COMPATIBILITY_LEVEL;
use quorate_proto::etcdserverpb as pb;
use quorate_proto::etcdserverpb::downgrade_request::DowngradeAction;

/// Says what etcd would say of a target version, and refuses to begin.
pub(super) async fn downgrade(call: Call, request: pb::DowngradeRequest) -> Result<Reply, Status> {
    match DowngradeAction::try_from(request.action) {
        Ok(DowngradeAction::Validate) => {
            validate(&request.version)?;
            let view = call.view(false).await?;
            Reply::new(&pb::DowngradeResponse {
                header: Some(call.header(view.revision())),
                version: COMPATIBILITY_LEVEL.to_owned(),
            })
        }
        Ok(DowngradeAction::Enable) => {
            validate(&request.version)?;
            Err(Status::failed_precondition(
                "quorate does not downgrade: there is only one version of the cluster's format, and every member has it",
            ))
        }
        Ok(DowngradeAction::Cancel) => Err(error::no_inflight_downgrade()),
        Err(_) => Err(Status::invalid_argument("the downgrade's action is none of VALIDATE, ENABLE, CANCEL")),
    }
}

/// Only the version before the cluster's is a target.
fn validate(version: &str) -> Result<(), Status> {
    let (major, minor) = level(version).ok_or_else(error::wrong_downgrade_version)?;
    let ours = level(COMPATIBILITY_LEVEL).expect("the constant is a version");
    let is_before = major == ours.0 && minor.checked_add(1) == Some(ours.1);
    if is_before { Ok(()) } else { Err(error::invalid_downgrade_version()) }
}

/// Major and minor of `3.5`, `3.5.1` or `3.5.1-rc.0+x`.
fn level(version: &str) -> Option<(u64, u64)> {
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    let numbers = version.split(['-', '+']).next()?;
    let parts: Vec<u64> = numbers.split('.').map(number).collect::<Option<_>>()?;
    match parts[..] {
        [major, minor] | [major, minor, _] => Some((major, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::validate;

    #[test]
    fn targets() {
        let check = |version: &str, expect: Option<&str>| {
            let refused = validate(version).err();
            assert_eq!(refused.as_ref().map(tonic::Status::message), expect, "{version}");
        };
        let (wrong, invalid) = (
            Some("etcdserver: wrong downgrade target version format"),
            Some("etcdserver: invalid downgrade target version"),
        );
        for version in ["3.5", "3.5.0", "3.5.17", "3.5.1-rc.0"] {
            check(version, None);
        }
        for version in ["", "3", "3.x", "a.b.c", "3.5.1.2", "+3.5"] {
            check(version, wrong);
        }
        for version in ["3.4", "3.6", "3.7.0", "2.5.0", "18446744073709551615.18446744073709551615"] {
            check(version, invalid);
        }
    }
}
