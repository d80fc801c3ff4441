use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::join_all;

use super::*;

const FRESH: Duration = Duration::from_secs(30);
const STALE: Duration = Duration::from_mins(10);

/// Somebody who is asked, and who says what is to be said of each question by its number.
struct Asked {
    known: Remembered<u8, u32>,
    questions: AtomicU32,
    answer: fn(u32) -> Result<u32, LookupError>,
}

impl Asked {
    fn new(answer: fn(u32) -> Result<u32, LookupError>) -> Self {
        Self {
            known: Remembered::new(FRESH, STALE),
            questions: AtomicU32::new(0),
            answer,
        }
    }

    async fn ask(&self) -> Result<u32, LookupError> {
        let number = self.questions.fetch_add(1, Ordering::Relaxed) + 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
        (self.answer)(number)
    }

    async fn find(&self) -> Result<Option<u32>, AuthError> {
        Ok(self.known.find(1, self.ask()).await?.answer)
    }

    async fn find_now(&self) -> Result<Option<u32>, AuthError> {
        self.known.find_now(1, self.ask()).await
    }

    fn questions(&self) -> u32 {
        self.questions.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_current_for_whoever_asked_for_it_alone() {
    let asked = Asked::new(Ok);
    for (answer, current) in [(1, true), (1, false)] {
        let found = asked.known.find(1, asked.ask()).await.expect("is told");
        assert_eq!((found.answer, found.current), (Some(answer), current));
    }
    assert_eq!(asked.find_now().await.expect("is told"), Some(2));
    assert_eq!(asked.find().await.expect("is told"), Some(2), "it is known");
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_now_is_asked_for_once_a_second_and_for_all_who_wait() {
    let asked = Asked::new(Ok);
    asked.find().await.expect("is told");

    let began = Instant::now();
    for number in 2..12 {
        let all = join_all((0..100).map(|_| asked.find_now())).await;
        for answer in all {
            assert_eq!(answer.expect("is told"), Some(number));
        }
    }
    assert_eq!(asked.questions(), 11);
    assert!(began.elapsed() >= PACE * 9, "{:?}", began.elapsed());
}

/// The second question finds whom the first did not.
#[tokio::test(start_paused = true)]
async fn nobody_is_refused_for_what_was_so_a_moment_ago() {
    let asked = Asked::new(|number| {
        if number == 1 {
            Err(LookupError::Nobody)
        } else {
            Ok(number)
        }
    });
    assert_eq!(asked.find().await.expect("is told"), None);
    assert_eq!(asked.find().await.expect("is told"), Some(2));
    assert_eq!(asked.find().await.expect("is told"), Some(2));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_nobody_is_asked_for_at_a_pace() {
    let asked = Asked::new(|_| Err(LookupError::Nobody));
    let began = Instant::now();
    for _ in 0..10 {
        let all = join_all((0..100).map(|_| asked.find())).await;
        assert!(all.iter().all(|told| matches!(told, Ok(None))));
    }
    assert_eq!(asked.questions(), 10);
    assert!(began.elapsed() >= PACE * 8, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn while_nobody_can_be_asked_nothing_is_known_to_be_so_now() {
    let asked = Asked::new(|number| {
        if number == 1 {
            Ok(1)
        } else {
            Err(LookupError::Failed("away".to_owned()))
        }
    });
    asked.find().await.expect("is told");

    let all = join_all((0..100).map(|_| asked.find_now())).await;
    for told in all {
        assert!(matches!(told, Err(AuthError::Unavailable(_))), "{told:?}");
    }
    assert_eq!(asked.questions(), 2, "the failure is shared");
    assert_eq!(asked.find().await.expect("is told"), Some(1), "as before");
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_holds_nobody_up() {
    let asked = Asked::new(Ok);
    let impatient = tokio::time::timeout(Duration::from_millis(1), asked.find_now());
    impatient.await.expect_err("gives up");
    assert_eq!(asked.find_now().await.expect("is told"), Some(2));
}
