//! What becomes of events that cannot be written, or not soon enough.

use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;

#[test]
fn what_there_is_no_room_for_is_counted() {
    let queue = Queue::default();
    for number in 0..queue::CAPACITY + 3 {
        queue.put(gave_back(&number.to_string()));
    }
    let taken = queue.take(10, Duration::ZERO);
    assert_eq!(
        (taken.events.len(), taken.dropped, taken.last),
        (10, 3, false)
    );
    assert_eq!(queue.take(10, Duration::ZERO).dropped, 0);
}

#[test]
fn what_waits_is_written_once_there_is_room_and_what_does_not_is_said() {
    let disk = Arc::new(Mutex::new(target::Disk {
        full: true,
        ..target::Disk::default()
    }));
    let queue = Arc::new(Queue::default());
    let target = Target::Disk(disk.clone());
    let clock = Arc::new(SystemClock);
    let writer = Writer::new(queue.clone(), target, target::Start::default(), clock);
    for number in 0..queue::CAPACITY + 5 {
        queue.put(gave_back(&number.to_string()));
    }
    let writing = thread::spawn(move || writer.run());
    disk.lock().expect("is whole").full = false;
    queue.close();
    writing.join().expect("ends");

    let (_folder, file) = folder();
    fs::write(&file, &disk.lock().expect("is whole").text).expect("writes");
    let records = verified(&file).expect("holds").records;
    // The start, the end, and what was dropped have one each.
    assert_eq!(records, queue::CAPACITY as u64 + 3);
    let said = lines(&file)
        .into_iter()
        .find(|line| line.contains("dropped"));
    assert!(said.expect("is said").contains("\"5 events were dropped\""));
}

/// Where nothing can be written, events wait; those beyond are dropped, and that is all.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_stops_nobody() {
    let full = settings(Path::new("/dev/full"));
    let audit = AuditFile::open(full, Arc::new(SystemClock)).expect("opens");
    for number in 0..2 * queue::CAPACITY {
        audit.record(gave_back(&number.to_string()));
    }
    audit.close().await;
}

/// Where the disk is full until the end, every event is counted: those that were about to be
/// written, those that waited, and those there was no room for.
#[test]
fn at_the_end_all_that_is_lost_is_counted() {
    let disk = Arc::new(Mutex::new(target::Disk {
        full: true,
        ..target::Disk::default()
    }));
    let queue = Arc::new(Queue::default());
    let target = Target::Disk(disk);
    let clock = Arc::new(SystemClock);
    let writer = Writer::new(queue.clone(), target, target::Start::default(), clock);
    let recorder = PrometheusBuilder::new().build_recorder();

    let lost = queue::CAPACITY + 5;
    metrics::with_local_recorder(&recorder, || {
        for number in 0..lost {
            queue.put(gave_back(&number.to_string()));
        }
        queue.close();
        writer.run();
    });

    let counted = recorder.handle().render();
    let line = format!(
        "{}{{outcome=\"dropped\"}} {lost}",
        crate::metrics::AUDIT_EVENTS
    );
    assert!(counted.contains(&line), "{counted}");
}
