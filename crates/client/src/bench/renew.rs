//! Lease renewals: each caller has a lease and a stream of its own, and renews as fast as answers come.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use quorate_proto::etcdserverpb as pb;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::lane::Lane;
use super::run::{FAILURE_PAUSE, Run, call, settle};
use super::tally::Tally;
use super::wire::{self, Failure, Stream};

/// Long enough to outlive a pause between renewals by far; short enough to leave no litter.
const LEASE_TTL_S: i64 = 60;

pub(super) async fn run(run: &Arc<Run>, lanes: &[Rc<Lane>]) -> Tally {
    let tally = Rc::new(RefCell::new(Tally::new()));
    let mut holders = JoinSet::new();
    for lane in lanes {
        for _ in 0..run.options.in_flight {
            holders.spawn_local(renew_in_turn(Arc::clone(run), Rc::clone(lane), Rc::clone(&tally)));
        }
    }
    holders.join_all().await;
    tally.replace(Tally::new())
}

async fn renew_in_turn(run: Arc<Run>, lane: Rc<Lane>, tally: Rc<RefCell<Tally>>) {
    let mut holding = None;
    while run.take(Instant::now()).is_some() {
        let (id, stream) = match &mut holding {
            Some(held) => held,
            None => match hold(&run, &lane).await {
                Ok(held) => holding.insert(held),
                Err(kind) => {
                    settle(&run, &tally, Instant::now(), Instant::now(), Err(kind));
                    tokio::time::sleep(FAILURE_PAUSE).await;
                    continue;
                }
            },
        };
        let begun = Instant::now();
        let outcome = timeout(run.options.timeout, renew(stream, *id)).await.unwrap_or(Err(Failure::Timeout));
        settle(&run, &tally, begun, Instant::now(), outcome);
        if outcome.is_err() {
            holding = None;
            tokio::time::sleep(FAILURE_PAUSE).await;
        }
    }
}

/// A fresh lease, and a stream to renew it on.
async fn hold(run: &Run, lane: &Lane) -> Result<(i64, Stream), Failure> {
    let grant = wire::frame(&pb::LeaseGrantRequest { ttl: LEASE_TTL_S, id: 0 });
    let answer = call(run, lane, &run.methods.grant, grant).await?;
    let lease: pb::LeaseGrantResponse = wire::decode(answer)?;
    let (mut sender, _) = lane.sender().await?;
    Ok((lease.id, Stream::open(&mut sender, &run.methods.keep_alive).await?))
}

async fn renew(stream: &mut Stream, id: i64) -> Result<(), Failure> {
    stream.send(&pb::LeaseKeepAliveRequest { id })?;
    let answer: pb::LeaseKeepAliveResponse = stream.receive().await?;
    if answer.ttl > 0 { Ok(()) } else { Err(Failure::Missing) }
}
