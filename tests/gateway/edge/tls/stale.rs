//! New files that are no better than none, while the old ones are good.

use super::*;

/// Whether `paper` of `ca` gets in.
async fn gets_in(door: &Door, ca: &Ca, paper: &papers::Paper) -> bool {
    let config = Arc::new(papers::client(ca, Some(paper), rustls::ALL_VERSIONS));
    let (accepted, connected) = door.shake(&config).await;
    assert_eq!(accepted.is_ok(), connected.is_ok());
    connected.is_ok()
}

fn server_of_days(days: (i32, i32)) -> Wanted {
    Wanted {
        days,
        ..Wanted::server()
    }
}

#[tokio::test]
async fn a_list_that_shuts_everybody_out_does_not_replace_one_that_is_good() {
    let (ca, other) = (Ca::new("ca"), Ca::new("other"));
    let folder = folder(&ca, &[("crl.pem", &ca.crl(&[], 7))]);
    let door = Door::open(&folder, Some(ClientAuth::Required)).await;
    let papers = ["w-1", "w-2"].map(|id| ca.issue(&Wanted::worker(id)));

    let (good, over) = (ca.crl(&[], 7), ca.crl(&[], -1));
    for (list, told) in [
        (over.clone(), "is over"),
        (ca.crl_of_days(&[], (1, 7)), "not in force yet"),
        (other.crl(&[], 7), "no list of CN=ca"),
        // It is not said which of several is gone by.
        (format!("{good}{over}"), "is over"),
    ] {
        folder.put("crl.pem", &list);
        let refused = door.acceptor.reload().expect_err(told).to_string();
        assert!(
            refused.contains("crl.pem") && refused.contains(told),
            "{refused}"
        );
        assert!(gets_in(&door, &ca, &papers[0]).await, "{told}");
    }

    folder.put("crl.pem", &ca.crl(&[&papers[0]], 7));
    door.acceptor.reload().expect("is good");
    assert!(!gets_in(&door, &ca, &papers[0]).await);
    assert!(gets_in(&door, &ca, &papers[1]).await);
}

#[tokio::test]
async fn where_the_old_list_is_no_better_the_new_one_is_taken() {
    let ca = Ca::new("ca");
    let folder = folder(&ca, &[("crl.pem", &ca.crl(&[], -1))]);
    let door = Door::open(&folder, Some(ClientAuth::Required)).await;
    let paper = ca.issue(&Wanted::worker("w-1"));
    assert!(!gets_in(&door, &ca, &paper).await);

    folder.put("crl.pem", &ca.crl(&[], -2));
    door.acceptor.reload().expect("is no worse");
    folder.put("crl.pem", &ca.crl(&[], 7));
    door.acceptor.reload().expect("is good");
    assert!(gets_in(&door, &ca, &paper).await);
}

#[tokio::test]
async fn a_ca_comes_with_its_list_and_goes_with_or_without_it() {
    let (ca, other) = (Ca::new("ca"), Ca::new("other"));
    let folder = folder(&ca, &[("crl.pem", &ca.crl(&[], 7))]);
    let door = Door::open(&folder, Some(ClientAuth::Required)).await;
    let paper = other.issue(&Wanted::worker("w-1"));

    folder.put("ca.pem", &format!("{}{}", ca.pem, other.pem));
    let refused = door.acceptor.reload().expect_err("has no list").to_string();
    assert!(refused.contains("no list of CN=other"), "{refused}");
    folder.put("crl.pem", &(ca.crl(&[], 7) + &other.crl(&[], 7)));
    door.acceptor.reload().expect("is whole");
    assert!(gets_in(&door, &ca, &paper).await);

    folder.put("ca.pem", &ca.pem);
    door.acceptor.reload().expect("lacks nothing");
    assert!(!gets_in(&door, &ca, &paper).await);
    folder.put("crl.pem", &ca.crl(&[], 7));
    door.acceptor.reload().expect("lacks nothing");
}

#[tokio::test]
async fn a_certificate_that_is_over_does_not_replace_one_that_is_good() {
    let ca = Ca::new("ca");
    let good = ca.issue(&Wanted::server());
    let folder = Folder::new(&good, &[]);
    let door = Door::open(&folder, None).await;
    let config = Arc::new(papers::client(&ca, None, rustls::ALL_VERSIONS));

    for days in [(-9, -1), (1, 9)] {
        let unfit = ca.issue(&server_of_days(days));
        folder.put("server.pem", &unfit.pem);
        folder.put("server.key", &unfit.key);
        let refused = door.acceptor.reload().expect_err("is unfit").to_string();
        assert!(refused.contains("server.pem"), "{refused}");
        let (_, connected) = door.shake(&config).await;
        let stream = connected.expect("is served with the old one");
        let (_, connection) = stream.get_ref();
        let chain = connection.peer_certificates().expect("is shown one");
        assert_eq!(chain, good.chain());
    }
}

#[test]
fn of_a_list_one_hears_in_the_last_part_of_its_life() {
    let ca = Ca::new("ca");
    let folder = folder(&ca, &[]);
    for (days, soon) in [
        ((-3, 7), false),
        ((-7, 3), false),
        ((-9, 1), true),
        ((-1, -1), true),
        ((-300, 13), true),
        ((-300, 15), false),
    ] {
        folder.put("crl.pem", &ca.crl_of_days(&[], days));
        let acceptor = load(&folder, Some(ClientAuth::Required), Arc::default()).expect("loads");
        let expiries = acceptor.expiries();
        let told: Vec<_> = expiries.soon().map(|(file, _)| file).collect();
        assert_eq!(told == ["crl"], soon, "{days:?}: {told:?}");
    }
}
