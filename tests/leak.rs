use crate::support::{
    Client, Gateway, eventually,
    faulty::{Fault, Faulty, honest},
    long, plain,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One measurement.
#[derive(Debug, Clone, Copy)]
struct Sample {
    requests: u64,
    resident: u64,
    descriptors: usize,
}

/// `just leak` runs it with ten million requests.
#[test]
fn memory_and_descriptors_do_not_grow_with_the_number_of_requests() {
    let wanted: u64 = long::setting("VERGATE_LEAK_REQUESTS").unwrap_or(50_000);
    let backend = Faulty::forgetful(|request| match request.line.contains("/items/broken") {
        true => Fault::SaysAndCloses(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nbroken".to_vec()),
        false => honest(request),
    });
    let gateway = Gateway::start(&format!("workers: 2\nlog: {{requests: off}}\n{}", plain(&backend.url())));
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut samples = Vec::new();
    println!("{:>10} {:>9} {:>5}", "requests", "rss KiB", "fds");
    std::thread::scope(|scope| {
        let call = || {
            while !stop.load(Ordering::Relaxed) {
                round(&gateway, &done);
            }
        };
        let callers = [scope.spawn(call), scope.spawn(call), scope.spawn(call)];
        while done.load(Ordering::Relaxed) < wanted && !callers.iter().any(|c| c.is_finished()) {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let requests = done.load(Ordering::Relaxed);
            if requests >= wanted * (samples.len() as u64 + 1) / 20 {
                let sample = Sample { requests, resident: gateway.resident(), descriptors: gateway.descriptors() };
                println!("{:>10} {:>9} {:>5}", sample.requests, sample.resident / 1024, sample.descriptors);
                samples.push(sample);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(done.load(Ordering::Relaxed) >= wanted, "a caller failed; see above");
    // The first fifth fills pools and caches.
    let (early, late) = (samples[samples.len() / 5], samples[samples.len() - 1]);
    assert!(late.resident < early.resident + (4 << 20), "{early:?} {late:?}");
    // Once the callers have gone, what is open does not depend on how many there were.
    let at_rest = eventually("descriptors come back", || {
        let open = gateway.descriptors();
        (open <= early.descriptors + 4).then_some(open)
    });
    println!("{:>10} {:>9} {at_rest:>5} at rest", done.load(Ordering::Relaxed), gateway.resident() / 1024);
    eventually("nothing is in flight", || {
        (gateway.metrics().sum("vergate_requests_in_flight", &[]) == 0.0).then_some(())
    });
    assert_eq!(backend.complaints(), [""; 0]);
}

/// One connection's life: batches of good requests, every kind of refusal, a cut, a goodbye of one of three kinds.
fn round(gateway: &Gateway, done: &AtomicU64) {
    let mut client = gateway.client();
    for batch in 0..10 {
        client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n".repeat(20));
        for _ in 0..20 {
            assert_eq!(client.read().status, 200);
        }
        let body = "x".repeat(batch * 300 + 1);
        client.write(format!("POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        assert_eq!(client.read().status, 200);
        client.write(format!("GET /items HTTP/1.1\r\nHost: h{batch}\r\nX-API-Version: 9\r\n\r\n"));
        assert_eq!(client.read().status, 400);
        done.fetch_add(22, Ordering::Relaxed);
    }
    let mut other = gateway.client();
    other.write("GET /items/broken HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(!matches!(other.try_read(false), Ok(Some(_))), "it never ends cleanly");
    let mut other = gateway.client();
    other.write("GET /items HTTP/1.1\r\nHost h\r\n\r\n");
    assert_eq!(other.read().status, 400);
    goodbye(client, fastrand::u8(..3));
    done.fetch_add(2, Ordering::Relaxed);
}

fn goodbye(mut client: Client, kind: u8) {
    match kind {
        0 => client.reset(),
        1 => {
            let _ = client.try_write("POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf");
        }
        _ => {
            client.finish();
        }
    }
}
