//! Measures how long a peer takes to answer.
//!
//! Heartbeats that confirm reads carry a number that their answers repeat, so an answer is known to be this heartbeat's. Other
//! heartbeats carry none, and nothing can be learnt from them.

use crate::meters::{Histogram, Meters};
use quorate_consensus::raft::Body;
use quorate_node::PeerMessage;
use quorate_types::{GroupId, NodeId, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What stands for "no number".
const UNNUMBERED: u64 = 0;

/// See the module. Holds one heartbeat per peer and group: the last one.
#[derive(Default)]
pub struct RoundTrips {
    under_way: BTreeMap<(NodeId, GroupId), (u64, Time)>,
    histograms: BTreeMap<NodeId, Arc<Histogram>>,
}

impl RoundTrips {
    /// A message leaves.
    pub fn on_send(&mut self, now: Time, to: NodeId, group: GroupId, message: &PeerMessage) {
        if let PeerMessage::Raft(message) = message
            && let Body::Heartbeat { round, .. } = message.body
            && round != UNNUMBERED
        {
            self.under_way.insert((to, group), (round, now));
        }
    }

    /// A message has come.
    pub fn on_receive(
        &mut self,
        now: Time,
        from: NodeId,
        group: GroupId,
        message: &PeerMessage,
        meters: &Meters,
    ) {
        if let PeerMessage::Raft(message) = message
            && let Body::HeartbeatReply { round } = message.body
            && let Some((_, sent_at)) = self.under_way.get(&(from, group)).filter(|sent| sent.0 == round)
        {
            let histogram = self.histograms.entry(from).or_insert_with(|| meters.round_trips_to(from));
            histogram.note(now.since(*sent_at));
            self.under_way.remove(&(from, group));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RoundTrips;
    use crate::meters::Meters;
    use quorate_consensus::raft::{Body, Message};
    use quorate_node::PeerMessage;
    use quorate_types::{GroupId, LogIndex, NodeId, Term, Time};

    fn raft(body: Body) -> PeerMessage {
        PeerMessage::Raft(Message { term: Term(1), body })
    }

    #[test]
    fn only_the_answer_to_the_last_numbered_heartbeat_counts() {
        let (mut trips, meters, peer, group) = (RoundTrips::default(), Meters::new(), NodeId(2), GroupId(1));
        let mut exchange = |sent: &[u64], answered: &[u64]| {
            for round in sent {
                let beat = raft(Body::Heartbeat { commit: LogIndex(0), round: *round });
                trips.on_send(Time::from_millis(1), peer, group, &beat);
            }
            for round in answered {
                let reply = raft(Body::HeartbeatReply { round: *round });
                trips.on_receive(Time::from_millis(4), peer, group, &reply, &meters);
            }
            meters.round_trips().get(&peer).map_or(0, |histogram| histogram.counted().count)
        };
        assert_eq!(exchange(&[0], &[0]), 0);
        assert_eq!(exchange(&[1], &[1, 1]), 1);
        assert_eq!(exchange(&[2, 3], &[2]), 1);
        assert_eq!(exchange(&[], &[3]), 2);
        assert_eq!(meters.round_trips()[&peer].counted().sum.as_millis(), 6);
    }
}
