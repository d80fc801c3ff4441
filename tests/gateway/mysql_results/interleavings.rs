use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::run::{Data, Recorded, Report, Run, RunStatus, Tally};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{ResultError, ResultStore};
use rand::random_range;
use serde_json::json;
use tokio::task::JoinSet;

use super::tables::{Tables, public_id};
use crate::support::{run_id, worker_id};

const CASES: usize = 5_000;
const TASKS: usize = 50;
const CALLERS: usize = 64;

/// What is to happen to one run.
struct Case {
    run: String,
    task: String,
    reports: Vec<Report>,
    /// Whether the reports are made one after the other, or all at once.
    in_turn: bool,
}

/// What came of the reports, each with its answer.
type Played = (Case, Vec<(Report, Recorded)>);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_shanghai_the_tables_are_what_the_rules_make_of_the_reports() {
    // It is always eight hours ahead.
    play("Asia/Shanghai", "2026-03-29T00:59:50Z").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_clocks_are_put_forward_the_tables_are_what_the_rules_make_of_the_reports() {
    play("Europe/Berlin", "2026-03-29T00:59:50Z").await;
}

/// Plays cases through two gateways that have four connections each.
async fn play(zone: &'static str, epoch: &str) {
    let tables = Tables::new(zone).await;
    let epoch: Timestamp = epoch.parse().expect("is a time");
    let cases: Vec<_> = (0..CASES).map(|number| case(number, epoch)).collect();
    for task in 0..TASKS {
        let task = format!("t-{task}");
        let of_task = cases.iter().filter(|case| case.task == task);
        let runs: Vec<_> = of_task.map(|case| case.run.clone()).collect();
        tables.open("w", &task, &runs).await;
    }
    let patience = Duration::from_secs(30);
    let gateways: [Arc<dyn ResultStore>; 2] = [
        Arc::new(tables.store(patience, None).await),
        Arc::new(tables.store(patience, None).await),
    ];
    let mut callers = JoinSet::new();
    let mut shares: Vec<Vec<Case>> = (0..CALLERS).map(|_| Vec::new()).collect();
    for (number, case) in cases.into_iter().enumerate() {
        shares[number % CALLERS].push(case);
    }
    for share in shares {
        callers.spawn(act(gateways.clone(), share));
    }
    let played: Vec<Played> = callers.join_all().await.into_iter().flatten().collect();
    for (case, answers) in &played {
        let found = tables.outcome(&case.run).await;
        assert!(
            is_lawful(case, answers, &found),
            "{}, in turn: {}: {answers:#?} became {found:#?}",
            case.run,
            case.in_turn
        );
    }
    check_books(&tables, &played).await;
}

/// A run with a few reports, some of which contradict or repeat each other.
fn case(number: usize, epoch: Timestamp) -> Case {
    let run = format!("r-{number}");
    // A fifth of the reports are of one task, so that everybody wants its row.
    let task = match random_range(0..5) {
        0 => 0,
        _ => random_range(0..TASKS),
    };
    let reports = (0..random_range(1..=4)).map(|_| report(&run, epoch));
    let mut reports: Vec<_> = reports.collect();
    if random_range(0..3) == 0 {
        reports.push(reports[0].clone());
    }
    Case {
        task: format!("t-{task}"),
        in_turn: random_range(0..2) == 0,
        run,
        reports,
    }
}

fn report(run: &str, epoch: Timestamp) -> Report {
    let micros = |range| Duration::from_micros(random_range(range));
    let likely = [RunStatus::Queued, RunStatus::Running, RunStatus::Running];
    let status = match random_range(0..2) {
        0 => likely[random_range(0..likely.len())],
        _ => RunStatus::ALL[random_range(0..RunStatus::ALL.len())],
    };
    // A run has two names, and few moments.
    let name = match random_range(0..4) {
        0 => public_id(run),
        _ => run.to_owned(),
    };
    let at = epoch + Duration::from_secs(random_range(0..20)) + Duration::from_micros(1);
    let mut report = Report::new(run_id(&name), worker_id("w"), status, at);
    let perhaps = || random_range(0..3) == 0;
    report.exit_code = perhaps().then(|| random_range(-9..9));
    report.started_at = perhaps().then(|| epoch + micros(0..20_000_000));
    report.duration = perhaps().then(|| micros(0..100_000_000));
    if perhaps() {
        report.error_message = format!("went wrong: 内存不足\0 \\\"{}\"", random_range(0..9));
    }
    if perhaps() {
        let key = ["a", "b", "😀"][random_range(0..3)];
        let data = json!({ key: [at.to_string(), null] });
        report.data = Data::parse(&data.to_string()).expect("is an object");
    }
    report
}

async fn act(gateways: [Arc<dyn ResultStore>; 2], cases: Vec<Case>) -> Vec<Played> {
    let mut played = Vec::new();
    for case in cases {
        let mut answers = Vec::new();
        let mut at_once = JoinSet::new();
        for report in case.reports.clone() {
            let gateway = gateways[random_range(0..2)].clone();
            let call = async move {
                let recorded = gateway.record(&report).await.expect("records");
                (report, recorded)
            };
            if case.in_turn {
                answers.push(call.await);
            } else {
                at_once.spawn(call);
            }
        }
        while let Some(answer) = at_once.join_next().await {
            answers.push(answer.expect("does not panic"));
        }
        // And a stranger, who gets nowhere.
        let mut theirs = case.reports[0].clone();
        theirs.worker = worker_id("thief");
        let refused = gateways[0].record(&theirs).await;
        assert!(matches!(refused, Err(ResultError::NotTheirs { .. })));
        played.push((case, answers));
    }
    played
}

/// Whether there is an order of the reports in which each is answered as it was, and that leads to
/// what was found.
fn is_lawful(case: &Case, answers: &[(Report, Recorded)], found: &Run) -> bool {
    let orders = if case.in_turn {
        vec![(0..answers.len()).collect()]
    } else {
        orders(answers.len())
    };
    orders.iter().any(|order| {
        let mut run = Run::default();
        let mut answers = order.iter().map(|&place| &answers[place]);
        answers.all(|(report, recorded)| run.record(report) == *recorded) && run == *found
    })
}

fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for next in 0..count {
        let longer = all.iter().flat_map(|order: &Vec<usize>| {
            (0..=order.len()).map(move |place| {
                let mut longer = order.clone();
                longer.insert(place, next);
                longer
            })
        });
        all = longer.collect();
    }
    all
}

/// Each change is in the books once; what was said last of a task is one of the things said.
async fn check_books(tables: &Tables, played: &[Played]) {
    let mut tallies: HashMap<&str, [u64; 2]> = HashMap::new();
    let mut begun: HashSet<(&str, Timestamp)> = HashSet::new();
    let mut said: HashSet<(&str, RunStatus)> = HashSet::new();
    for (case, answers) in played {
        for (report, recorded) in answers {
            let Recorded::Changed { started, tally } = recorded else {
                continue;
            };
            let task = case.task.as_str();
            let counts = tallies.entry(task).or_default();
            counts[0] += u64::from(*tally == Some(Tally::Success));
            counts[1] += u64::from(*tally == Some(Tally::Failure));
            said.insert((task, report.status));
            if *started {
                begun.insert((task, report.started_at.unwrap_or(report.at)));
            }
        }
    }
    for (task, [successes, failures]) in tallies {
        let books = tables.books(task).await;
        let counted = (books.success_count, books.failure_count);
        assert_eq!(counted, (successes, failures), "{task}");
        let status = books.status.expect("there were changes");
        assert!(said.contains(&(task, status)), "{task} is {status:?}");
        let last = books.last_run_time;
        let never = begun.iter().all(|(of, _)| *of != task);
        assert!(last.map_or(never, |last| begun.contains(&(task, last))));
    }
}
