//! One scenario per rule.

use super::script::check;
use crate::watch::HubOptions;
use std::time::Duration;

/// Room for `messages` small messages, each with one event of a one-byte key and value.
fn narrow(messages: usize) -> HubOptions {
    HubOptions { window_len_bytes: messages * (128 + 72 + 2), ..HubOptions::default() }
}

fn scenario(text: &str) {
    check(HubOptions::default(), text);
}

#[test]
fn created_comes_first_and_in_the_order_of_requests() {
    scenario(
        "
        > write a=1
        > open 1
        > watch 1 a from=2
        1: created 0 @2
        > watch 1 a
        1: created 1 @2
        > watch 1 a id=7
        1: created 7 @2
        > tick
        1: 0 @2: 2a=1
        > write a=2
        1: 1 @3: 3a=2
        1: 7 @3: 3a=2
        1: 0 @3: 3a=2
        ",
    );
}

#[test]
fn ids_are_given_from_zero_and_kept_apart() {
    scenario(
        "
        > open 1
        > watch 1 a id=1
        1: created 1 @1
        > watch 1 a
        1: created 0 @1
        > watch 1 a id=0
        1: created 2 @1
        > watch 1 a id=2
        1: refused DuplicateId @1
        > watch 1 a id=-5
        1: created -5 @1
        > cancel 1 2
        1: canceled 2 @1
        > watch 1 a id=2
        1: created 2 @1
        > watch 1 a
        1: created 3 @1
        > open 2
        > watch 2 a
        2: created 0 @1
        ",
    );
}

#[test]
fn impossible_watches_are_refused() {
    scenario(
        "
        > open 1
        > watch 1 b..b
        1: refused EmptyRange @1
        > watch 1 b..a
        1: refused EmptyRange @1
        > watch 1 a from=-1
        1: refused Compacted @1
        > watch 9 a
        > watch 1 a
        1: created 0 @1
        ",
    );
}

#[test]
fn ranges() {
    scenario(
        "
        > open 1
        > watch 1 b
        1: created 0 @1
        > watch 1 b..d
        1: created 1 @1
        > watch 1 c..
        1: created 2 @1
        > watch 1 ..
        1: created 3 @1
        > watch 1 ..c
        1: created 4 @1
        > write a=1
        1: 3 @2: 2a=1
        1: 4 @2: 2a=1
        > write d=1
        1: 2 @3: 3d=1
        1: 3 @3: 3d=1
        > write b=1
        1: 0 @4: 4b=1
        1: 1 @4: 4b=1
        1: 3 @4: 4b=1
        1: 4 @4: 4b=1
        ",
    );
}

#[test]
fn a_transaction_is_one_message_and_commits_together_share_one() {
    scenario(
        "
        > open 1
        > watch 1 a..z
        1: created 0 @1
        > watch 1 b
        1: created 1 @1
        > write a=1 b=1 c=1
        1: 0 @2: 2a=1 2b=1 2c=1
        1: 1 @2: 2b=1
        > write a=2 / b=2 -a / c=2
        1: 0 @5: 3a=2 4b=2 4-a 5c=2
        1: 1 @5: 4b=2
        ",
    );
}

#[test]
fn filters_and_previous_pairs() {
    scenario(
        "
        > open 1
        > watch 1 a no_put
        1: created 0 @1
        > watch 1 a no_delete prev
        1: created 1 @1
        > watch 1 a no_put no_delete
        1: created 2 @1
        > watch 1 a prev
        1: created 3 @1
        > write a=1
        1: 1 @2: 2a=1
        1: 3 @2: 2a=1
        > write a=2
        1: 1 @3: 3a=2[1]
        1: 3 @3: 3a=2[1]
        > write -a
        1: 0 @4: 4-a
        1: 3 @4: 4-a[2]
        > watch 1 a from=3 no_put prev
        1: created 4 @4
        > watch 1 a from=2 no_put no_delete
        1: created 5 @4
        > settle
        1: 4 @4: 4-a[2]
        ",
    );
}

#[test]
fn a_start_in_the_future_is_silent_until_then() {
    scenario(
        "
        > open 1
        > watch 1 a from=4 progress
        1: created 0 @1
        > progress 1
        > wait 700000
        > write a=1 / a=2
        > write a=3 / a=4
        1: 0 @5: 4a=3 5a=4
        1: progress * @5
        ",
    );
}

#[test]
fn a_start_inside_of_what_is_committed_together() {
    scenario(
        "
        > open 1
        > watch 1 a from=3
        1: created 0 @1
        > write a=1 / a=2
        1: 0 @3: 3a=2
        > watch 1 a from=5
        1: created 1 @3
        > hide a=3 / a=4 / a=5
        > tick
        1: 1 @6: 5a=4 6a=5
        1: 0 @6: 4a=3 5a=4 6a=5
        ",
    );
}

#[test]
fn compaction_is_told() {
    scenario(
        "
        > write a=1 / a=2 / -a / a=3
        > compact 4
        > open 1
        > watch 1 a from=3
        1: created 0 @5
        1: compacted 0 at 4
        > watch 1 a from=4
        1: created 1 @5
        > settle
        1: 1 @5: 4-a 5a=3
        > watch 1 a id=9 from=4
        1: created 9 @5
        > compact 5
        > tick
        1: compacted 9 at 5
        > write a=4
        1: 1 @6: 6a=4
        ",
    );
}

#[test]
fn a_slow_stream_lags_and_catches_up_while_others_go_on() {
    check(
        narrow(3),
        "
        > open 1
        > open 2
        > watch 1 a
        1: created 0 @1
        > watch 2 a
        2: created 0 @1
        > read 1
        > read 2
        > write a=1
        1: 0 @2: 2a=1
        2: 0 @2: 2a=1
        > write a=2
        1: 0 @3: 3a=2
        2: 0 @3: 3a=2
        > write a=3
        1: 0 @4: 4a=3
        2: 0 @4: 4a=3
        > read 2
        > write a=4
        2: 0 @5: 5a=4
        > write a=5 / b=1
        2: 0 @7: 6a=5
        > read 1 1
        > settle
        > read 1 1
        > settle
        1: 0 @7: 5a=4 6a=5
        > write a=6
        2: 0 @8: 8a=6
        1: 0 @8: 8a=6
        ",
    );
}

#[test]
fn a_stalled_watcher_learns_of_the_compaction_at_once() {
    check(
        narrow(1),
        "
        > open 1
        > watch 1 a
        1: created 0 @1
        > write a=1
        1: 0 @2: 2a=1
        > write a=2 / a=3
        > compact 3
        > tick
        > compact 4
        > tick
        1: compacted 0 at 4
        > read 1
        > write a=4
        ",
    );
}

#[test]
fn progress_for_a_stream_waits_for_all_of_its_watchers() {
    check(
        narrow(1),
        "
        > open 1
        > progress 1
        1: progress * @1
        > watch 1 a
        1: created 0 @1
        > write a=1
        > progress 1
        > progress 1
        > read 1
        > write b=1
        > settle
        1: 0 @3: 2a=1
        > read 1
        1: progress * @3
        > read 1
        > watch 1 a from=9
        1: created 1 @3
        > progress 1
        > cancel 1 1
        1: canceled 1 @3
        > read 1
        1: progress * @3
        ",
    );
}

#[test]
fn quiet_watchers_are_told_the_progress() {
    let options = HubOptions { progress_interval: Duration::from_millis(100), ..HubOptions::default() };
    check(
        options,
        "
        > open 1
        > watch 1 a progress
        1: created 0 @1
        > watch 1 a
        1: created 1 @1
        > wait 99
        > write b=1
        > wait 11
        1: progress 0 @2
        > wait 90
        > write a=1
        1: 0 @3: 3a=1
        1: 1 @3: 3a=1
        > wait 99
        > wait 11
        1: progress 0 @3
        ",
    );
}

#[test]
fn large_messages_are_split_only_on_request() {
    let options = HubOptions { fragment_len_bytes: 2000, ..HubOptions::default() };
    check(
        options,
        "
        > open 1
        > watch 1 a..z fragment
        1: created 0 @1
        > watch 1 a..z
        1: created 1 @1
        > write a=*900 b=*900 c=*900 d=*3000
        1: 0 @2: 2a=*900 2b=*900 …
        1: 0 @2: 2c=*900 …
        1: 0 @2: 2d=*3000
        1: 1 @2: 2a=*900 2b=*900 2c=*900 2d=*3000
        > watch 1 a..z from=2 fragment
        1: created 2 @2
        > tick
        1: 2 @2: 2a=*900 2b=*900 …
        1: 2 @2: 2c=*900 …
        1: 2 @2: 2d=*3000
        ",
    );
}

#[test]
fn events_told_twice_or_never_are_sent_once() {
    scenario(
        "
        > open 1
        > watch 1 a
        1: created 0 @1
        > write a=1
        1: 0 @2: 2a=1
        > again 2
        > hide a=2
        > again 3
        1: 0 @3: 3a=2
        > hide a=3
        > write a=4
        > settle
        1: 0 @5: 4a=3 5a=4
        > hide a=5
        > again 2
        1: 0 @6: 6a=5
        ",
    );
}

#[test]
fn a_failed_read_loses_nothing() {
    scenario(
        "
        > write a=1
        > open 1
        > watch 1 a from=2
        1: created 0 @2
        > fail
        > tick
        error: Tables(Full)
        > tick
        1: 0 @2: 2a=1
        ",
    );
}

#[test]
fn nothing_is_sent_after_the_end() {
    scenario(
        "
        > open 1
        > watch 1 a
        1: created 0 @1
        > watch 1 a from=2
        1: created 1 @1
        > cancel 1 0
        1: canceled 0 @1
        > cancel 1 0
        > write a=1
        1: 1 @2: 2a=1
        > progress 1
        1: progress * @2
        > close 1
        > write a=2
        > read 1
        > progress 1
        > close 1
        ",
    );
}
