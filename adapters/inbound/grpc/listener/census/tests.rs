use super::*;

fn census(max: usize, max_per_address: usize) -> Arc<Census> {
    Arc::new(Census::new(&Limits {
        max_connections: max,
        max_connections_per_address: max_per_address,
        ..Limits::default()
    }))
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("is an address")
}

#[track_caller]
fn admitted(census: &Arc<Census>, text: &str) -> Admission {
    census.admit(address(text), false).expect("is admitted")
}

#[track_caller]
fn opened(census: &Arc<Census>, text: &str) -> Admission {
    let admission = admitted(census, text);
    assert!(admission.opened());
    admission
}

#[track_caller]
fn known(census: &Arc<Census>, text: &str) -> Admission {
    let admission = opened(census, text);
    admission.standing().prove();
    admission
}

fn gone(admission: &Admission) -> bool {
    admission.crowded.is_cancelled()
}

#[test]
fn those_of_whom_is_known_who_they_are_keep_their_place_until_they_are_dropped() {
    let census = census(2, 2);
    let one = known(&census, "10.0.0.1");
    let two = known(&census, "10.0.0.2");

    assert!(census.admit(address("10.0.0.3"), false).is_none());
    assert!(!gone(&one) && !gone(&two));
    drop(one);
    known(&census, "10.0.0.3");
}

// T1: silence does not keep anybody out.
#[test]
fn the_oldest_of_whoever_opens_most_makes_room() {
    let census = census(3, 3);
    let patient = admitted(&census, "10.0.0.1");
    let first = admitted(&census, "10.0.0.2");
    let second = admitted(&census, "10.0.0.2");

    let newcomer = admitted(&census, "10.0.0.3");
    assert!(gone(&first) && !gone(&second) && !gone(&patient));
    assert!(newcomer.opened());
    newcomer.standing().prove();
    // Both have one now, so the older goes; who is known stays.
    let _third = admitted(&census, "10.0.0.4");
    assert!(gone(&patient) && !gone(&second));
    let _fourth = admitted(&census, "10.0.0.5");
    assert!(gone(&second) && !gone(&newcomer));
}

// T1: nor do those who open connections and never prove who they are.
#[test]
fn a_stranger_makes_room_and_the_newest_is_not_the_first_to_go() {
    let census = census(4, 4);
    let known = known(&census, "10.0.0.1");
    let strangers = [
        opened(&census, "10.0.0.2"),
        opened(&census, "10.0.0.2"),
        opened(&census, "10.0.0.3"),
    ];
    let which_are_gone = || strangers.each_ref().map(gone);

    let newcomer = admitted(&census, "10.0.0.4");
    assert_eq!(which_are_gone(), [true, false, false]);
    assert!(newcomer.opened());
    let _others = [opened(&census, "10.0.0.5"), opened(&census, "10.0.0.6")];
    assert_eq!(which_are_gone(), [true, true, true]);
    assert!(!gone(&newcomer) && !gone(&known));
    newcomer.standing().prove();
    let _more = [(); 4].map(|()| opened(&census, "10.0.0.7"));
    assert!(!gone(&newcomer) && !gone(&known));
}

// T1, of one address
#[test]
fn a_stranger_makes_room_for_others_of_its_address() {
    let census = census(9, 2);
    let stranger = opened(&census, "10.0.0.1");
    let other = opened(&census, "10.0.0.2");
    let known = known(&census, "10.0.0.1");

    let newcomer = opened(&census, "10.0.0.1");
    assert!(gone(&stranger) && !gone(&other) && !gone(&known));
    newcomer.standing().prove();
    assert!(census.admit(address("10.0.0.1"), false).is_none());
}

#[tokio::test(start_paused = true)]
async fn who_takes_long_over_its_turn_loses_it_to_those_that_wait() {
    const LONG: Duration = Duration::from_secs(1);
    let census = census(9, 9);
    let waiting = admitted(&census, "10.0.0.1");
    let slow = admitted(&census, "10.0.0.2");
    let open = admitted(&census, "10.0.0.2");
    slow.turn();
    open.turn();
    assert!(open.opened());

    waiting.hurry(LONG);
    assert!(!gone(&slow));
    tokio::time::advance(LONG).await;
    let quick = admitted(&census, "10.0.0.3");
    quick.turn();
    for _ in 0..2 {
        waiting.hurry(LONG);
    }
    assert!(gone(&slow));
    assert!(!gone(&quick) && !gone(&waiting) && !gone(&open));
}

#[test]
fn one_that_was_given_up_does_not_open_and_is_counted_once() {
    let census = census(1, 1);
    let early = admitted(&census, "10.0.0.1");
    let late = admitted(&census, "10.0.0.1");

    assert!(!early.opened());
    early.standing().prove();
    drop(early);
    assert!(late.opened());
    late.standing().prove();
    assert!(census.admit(address("10.0.0.2"), false).is_none());
    drop(late);
    opened(&census, "10.0.0.2");
}

#[test]
fn an_address_has_a_share_and_a_network_of_v6_is_one() {
    let census = census(100, 2);
    let _held = [
        known(&census, "2001:db8::1"),
        known(&census, "2001:db8::2"),
        known(&census, "10.0.0.1"),
        known(&census, "::ffff:10.0.0.1"),
    ];

    for full in ["2001:db8::3", "10.0.0.1"] {
        assert!(census.admit(address(full), false).is_none(), "{full}");
    }
    opened(&census, "2001:db8:0:1::1");
}

/// What a proxy sends on, or says for itself.
fn behind(census: &Arc<Census>) -> Admission {
    let admission = census.admit(address("10.0.0.1"), true);
    admission.expect("is the proxy")
}

#[test]
fn behind_a_proxy_those_behind_it_count() {
    let census = census(100, 1);
    let for_whom = |text| {
        let admission = behind(&census);
        let counts = admission.count_for(address(text)) && admission.opened();
        admission.standing().prove();
        counts.then_some(admission)
    };

    let one = for_whom("203.0.113.1").expect("has a share");
    let _other = for_whom("203.0.113.2").expect("has one of its own");
    assert!(for_whom("203.0.113.1").is_none());
    drop(one);
    for_whom("203.0.113.1").expect("has its share again");
}

#[test]
fn what_a_proxy_says_for_itself_takes_no_place_of_those_behind_it() {
    let census = census(100, 1);
    let itself = behind(&census);
    assert!(itself.count_for(address("10.0.0.1")) && itself.opened());
    itself.standing().prove();

    let somebody = behind(&census);
    assert!(!behind(&census).count_for(address("10.0.0.1")));
    assert!(!gone(&somebody) && !gone(&itself));
    assert!(somebody.count_for(address("203.0.113.1")) && somebody.opened());
}
