use std::sync::atomic::{AtomicU32, Ordering};

use gateway_core::domain::id::{ReceiptId, WorkerId};
use gateway_core::domain::task::{Sign, Verdict as Settlement};
use gateway_core::ports::{MockTaskQueue, QueueError, TaskQueue};
use tokio::time::{sleep, timeout};

use super::*;

const SLOW: Duration = Duration::from_secs(1);

fn worker() -> WorkerId {
    WorkerId::parse("w").expect("is an identifier")
}

fn receipt() -> ReceiptId {
    ReceiptId::parse("r").expect("is an identifier")
}

fn failed() -> QueueError {
    QueueError::Unavailable("it broke".into())
}

/// A queue that answers as it is told, and counts what it is asked.
#[derive(Default)]
struct Queue {
    asked: AtomicU32,
    fails: std::sync::atomic::AtomicBool,
    takes: Mutex<Duration>,
}

impl Queue {
    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }

    fn take_time(&self, time: Duration) {
        *self.takes.lock().expect("is whole") = time;
    }

    async fn answer(&self) -> Result<(), QueueError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let time = *self.takes.lock().expect("is whole");
        sleep(time).await;
        let fails = self.fails.load(Ordering::Relaxed);
        if fails { Err(failed()) } else { Ok(()) }
    }
}

struct Setup {
    queue: Arc<Queue>,
    breaker: Arc<Breaker>,
    pulse: watch::Sender<Option<String>>,
}

impl Setup {
    fn new() -> Self {
        let pulse = watch::Sender::new(None);
        Self {
            queue: Arc::default(),
            breaker: Breaker::new("queue", SLOW, pulse.subscribe()),
            pulse,
        }
    }

    async fn call(&self) -> Result<(), QueueError> {
        self.breaker.guard(self.queue.answer()).await
    }

    /// Makes it open.
    async fn break_down(&self) {
        self.queue.fail(true);
        for _ in 0..10 {
            self.call().await.expect_err("fails");
        }
        assert!(self.is_open());
    }

    fn is_open(&self) -> bool {
        self.breaker.open().borrow().is_some()
    }

    /// Whether the queue is asked by a call that is made now.
    async fn passes(&self) -> bool {
        let before = self.queue.asked();
        let refused = self.call().await;
        let passed = self.queue.asked() > before;
        if !passed {
            let Err(QueueError::Unavailable(cause)) = refused else {
                panic!("{refused:?}");
            };
            assert!(cause.is::<KnownOutage>(), "{cause:?}");
        }
        passed
    }
}

#[tokio::test(start_paused = true)]
async fn failures_open_it_and_calls_fail_at_once_then() {
    let setup = Setup::new();
    setup.queue.fail(true);
    for _ in 0..9 {
        setup.call().await.expect_err("fails");
    }
    assert!(!setup.is_open());
    setup.call().await.expect_err("fails");
    assert!(setup.is_open());
    assert!(!setup.passes().await);
}

#[tokio::test(start_paused = true)]
async fn a_few_failures_among_many_calls_are_none() {
    let setup = Setup::new();
    for round in 0..200 {
        setup.queue.fail(round % 3 == 0);
        let _either = setup.call().await;
    }
    assert!(!setup.is_open());
}

#[tokio::test(start_paused = true)]
async fn failures_of_long_ago_are_forgotten() {
    let setup = Setup::new();
    setup.queue.fail(true);
    for _ in 0..40 {
        setup.call().await.expect_err("fails");
        sleep(Duration::from_secs(2)).await;
    }
    assert!(!setup.is_open());
}

#[tokio::test(start_paused = true)]
async fn slow_calls_open_it_though_they_succeed_or_are_given_up() {
    for patience in [SLOW * 3, SLOW * 3 / 2] {
        let setup = Setup::new();
        setup.queue.take_time(SLOW * 2);
        let calls = (0..10).map(|_| timeout(patience, setup.call()));
        futures::future::join_all(calls).await;
        assert!(setup.is_open(), "{patience:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_refused_is_answered() {
    let setup = Setup::new();
    let refused = async || -> Result<(), QueueError> { Err(QueueError::NotTheirs(receipt())) };
    for _ in 0..100 {
        setup
            .breaker
            .guard(refused())
            .await
            .expect_err("is refused");
    }
    assert!(!setup.is_open());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_news_of_the_back_end_does_not_count() {
    let causes: [fn() -> Cause; 2] = [
        || KnownOutage("away".into()).into(),
        || Contended("a row".into()).into(),
    ];
    for cause in causes {
        let setup = Setup::new();
        let fails = async || -> Result<(), QueueError> { Err(QueueError::Unavailable(cause())) };
        for _ in 0..100 {
            setup.breaker.guard(fails()).await.expect_err("fails");
        }
        assert!(!setup.is_open());
    }
}

#[tokio::test(start_paused = true)]
async fn what_began_before_it_opened_does_not_open_it_again() {
    let setup = Setup::new();
    setup.queue.take_time(LONGEST_PAUSE * 2);
    let slow = futures::future::join_all((0..20).map(|_| setup.call()));
    let meanwhile = async {
        // They have begun by then.
        sleep(Duration::from_millis(1)).await;
        setup.queue.take_time(Duration::ZERO);
        setup.break_down().await;
        setup.queue.fail(false);
        sleep(LONGEST_PAUSE).await;
        assert!(setup.passes().await);
    };
    tokio::join!(slow, meanwhile);
    assert!(!setup.is_open());
    assert!(setup.passes().await);
}

#[tokio::test(start_paused = true)]
async fn one_call_at_a_time_tries_ever_more_rarely_until_it_is_well() {
    let setup = Setup::new();
    setup.break_down().await;
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let shut = Instant::now();
        while !setup.passes().await {
            sleep(Duration::from_millis(10)).await;
        }
        pauses.push(shut.elapsed());
    }
    assert!(
        pauses[0] >= PAUSE * 3 / 4 && pauses[0] <= PAUSE * 5 / 4 + SLOW,
        "{pauses:?}"
    );
    assert!(pauses[5] > pauses[0] * 4, "{pauses:?}");
    assert!(pauses[5] <= LONGEST_PAUSE * 5 / 4 + SLOW, "{pauses:?}");

    setup.queue.fail(false);
    setup.queue.take_time(SLOW / 2);
    sleep(LONGEST_PAUSE * 2).await;
    let before = setup.queue.asked();
    let calls = futures::future::join_all((0..5).map(|_| setup.call())).await;
    // The first tries; those that come while it does are not let pass.
    assert_eq!(setup.queue.asked() - before, 1);
    assert!(calls[0].is_ok() && calls[1..].iter().all(Result::is_err));
    for _ in 0..5 {
        assert!(setup.passes().await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_try_that_is_given_up_does_not_keep_it_open() {
    let setup = Setup::new();
    setup.break_down().await;
    setup.queue.fail(false);
    sleep(LONGEST_PAUSE).await;

    setup.queue.take_time(SLOW * 100);
    let given_up = timeout(SLOW / 2, setup.call()).await;
    given_up.expect_err("takes too long");
    setup.queue.take_time(Duration::ZERO);
    assert!(setup.passes().await);
    assert!(setup.passes().await);
}

#[tokio::test(start_paused = true)]
async fn it_tries_at_once_when_the_pulse_is_back() {
    let setup = Setup::new();
    setup.break_down().await;
    setup.queue.fail(false);
    assert!(!setup.passes().await);

    setup.pulse.send_replace(Some("away".into()));
    assert!(!setup.passes().await);
    setup.pulse.send_replace(None);
    assert!(setup.passes().await);
    assert!(!setup.is_open());
}

#[tokio::test(start_paused = true)]
async fn it_is_not_said_to_be_open_once_somebody_may_try() {
    let setup = Setup::new();
    setup.break_down().await;
    sleep(LONGEST_PAUSE).await;
    assert!(!setup.is_open());
    assert!(setup.passes().await, "somebody tries");
    sleep(Duration::from_millis(1)).await;
    assert!(setup.is_open(), "in vain");
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_waits_is_not_slow_and_does_not_try_by_waiting() {
    let pulse = watch::Sender::new(None);
    let breaker = Breaker::new("queue", SLOW, pulse.subscribe());
    let waits = Arc::new(Mutex::new(Vec::new()));
    let noted = waits.clone();
    let mut queue = MockTaskQueue::new();
    queue.expect_take().returning(move |_, wait| {
        noted.lock().expect("is whole").push(wait);
        Ok(None)
    });
    queue.expect_note().returning(|_, _| Err(failed()));
    queue
        .expect_settle()
        .returning(|_, _, _| Err(QueueError::NotTheirs(receipt())));
    let guarded = Guarded::new(Arc::new(queue), breaker.clone());
    let wait = SLOW * 30;

    for _ in 0..20 {
        let polled = guarded.take(&worker(), wait).await;
        assert!(polled.expect("answers").is_none());
        let refused = guarded
            .settle(&worker(), &receipt(), Settlement::Done)
            .await;
        assert!(matches!(refused, Err(QueueError::NotTheirs(_))));
    }
    assert!(breaker.open().borrow().is_none());
    sleep(LONGEST_PAUSE * 4).await;
    for _ in 0..10 {
        guarded
            .note(&worker(), &Sign::Restarted)
            .await
            .expect_err("fails");
    }
    guarded.take(&worker(), wait).await.expect_err("is open");

    sleep(LONGEST_PAUSE).await;
    waits.lock().expect("is whole").clear();
    guarded
        .take(&worker(), wait)
        .await
        .expect("tries, then waits");
    assert_eq!(*waits.lock().expect("is whole"), [Duration::ZERO, wait]);
}
