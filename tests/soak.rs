mod call;
mod callers;

use crate::support::{
    Gateway, eventually,
    faulty::{Fault, Faulty},
    fill, long,
};
use call::Call;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// Three versions, one of them adapted, on one backend.
const YAML: &str = r#"
workers: 2
log: {requests: off}
timeouts: {response: 4s, response_idle: 4s}
upstreams: {main: {servers: [<up>], retries: {budget: 100%}}}
versioning: {resolve: [{header: X-API-Version}]}
apis:
  shop:
    path: /
    endpoints: ['GET /items/{id}', 'POST /items/{id}', 'PUT /items/{id}', 'DELETE /items/{id}']
    versions: {"1.0": {}, "2.0": {upstream: main}, "3.0": {upstream: main}}
    changes:
      - change: renamed
        from: "1.0"
        to: "2.0"
        operations:
          - match: POST /items/{id}
            request: [{rename: {old: new}}]
            response: {2xx: [{rename: {old: new}}]}
      - {change: same, from: "2.0", to: "3.0", operations: []}
"#;

/// What became of the calls.
#[derive(Default)]
pub(crate) struct Tally {
    next: AtomicU64,
    /// Whole answers, each compared byte by byte with what its own request has to get.
    answered: AtomicU64,
    /// Problems of the gateway, each with its own request's id.
    refused: AtomicU64,
    /// Answers that broke off, or connections that closed instead of one.
    cut: AtomicU64,
    /// Pipelined behind one that was cut, and therefore never answered.
    behind: AtomicU64,
    /// Requests that may not be sent twice, lost to a backend that closed as they were sent.
    raced: AtomicU64,
    /// Callers that hung up themselves.
    left: AtomicU64,
    stop: AtomicBool,
    wrong: Mutex<Vec<String>>,
}

impl Tally {
    fn draw(&self) -> Call {
        Call::of(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.wrong.lock().unwrap().len() > 20
    }

    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn wrong(&self, call: &Call, what: &str) {
        self.wrong.lock().unwrap().push(format!("{what}: {call:?}"));
    }

    /// Judges a whole answer.
    ///
    /// - `field`: its fields by name.
    fn answer(&self, call: &Call, status: u16, field: &dyn Fn(&str) -> Option<String>, body: &[u8]) {
        let request_id = field("X-Request-Id");
        let own = request_id == Some(call.request_id());
        // What the backend says of itself: without a body there is nothing else to tell answers apart by.
        let asked = field("X-Call");
        let problem = matches!(status, 502 | 504);
        let named = call.method == "HEAD"
            || String::from_utf8_lossy(body).contains(&format!("\"request_id\":\"{}\"", call.request_id()));
        match status {
            _ if !own => self.wrong(call, &format!("{status} with the request id {request_id:?}")),
            200 if asked != Some(call.id.to_string()) => self.wrong(call, &format!("the answer to {asked:?}")),
            200 if (call.is_whole() || call.is_harmless()) && body == call.hears() => Self::count(&self.answered),
            200 if call.is_whole() => {
                self.wrong(call, &format!("another body: {:.80?}", String::from_utf8_lossy(body)))
            }
            200 => self.wrong(call, "a broken answer ends cleanly"),
            _ if !problem || !named => {
                self.wrong(call, &format!("status {status}: {:.200?}", String::from_utf8_lossy(body)))
            }
            _ if !call.is_whole() => Self::count(&self.refused),
            // The backend had closed when it was sent: only those that may be sent twice are.
            502 if !call.is_repeatable() => Self::count(&self.raced),
            _ => self.wrong(call, &format!("{status} for a whole answer: {:.200?}", String::from_utf8_lossy(body))),
        }
    }

    /// Judges an answer that broke off or did not come.
    fn broken(&self, call: &Call, why: &str) {
        if call.is_whole() { self.wrong(call, &format!("no answer ({why})")) } else { Self::count(&self.cut) }
    }

    fn line(&self) -> String {
        let n = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        format!(
            "{:>9} {:>9} {:>8} {:>7} {:>7} {:>6} {:>6} {:>6}",
            n(&self.next),
            n(&self.answered),
            n(&self.refused),
            n(&self.cut),
            n(&self.behind),
            n(&self.raced),
            n(&self.left),
            self.wrong.lock().unwrap().len()
        )
    }
}

/// `just soak 10` runs it for ten minutes.
#[test]
fn every_answer_belongs_to_its_request_while_a_fifth_of_all_exchanges_fail() {
    let unlike = Arc::new(Mutex::new(Vec::new()));
    let seen = unlike.clone();
    let backend = Faulty::forgetful(move |request| {
        let Some(call) = Call::read(request) else {
            return Fault::Says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
        };
        // Asked once with the head alone and once with the whole request.
        if !request.body.is_empty() && request.body != call.arrives() {
            seen.lock().unwrap().push(format!("{call:?} arrived as {:.80?}", String::from_utf8_lossy(&request.body)));
        }
        call.fault()
    });
    let gateway = Gateway::start(&fill(YAML, &[("up", &backend.url())]));
    let tally = Tally::default();
    let mut run = long::Run::of(long::length("VERGATE_SOAK_MINUTES", Duration::from_secs(4)));
    println!(
        "{:>5} {:>9} {:>9} {:>8} {:>7} {:>7} {:>6} {:>6} {:>6} {:>8} {:>5}",
        "s", "asked", "answered", "refused", "cut", "behind", "raced", "left", "wrong", "rss KiB", "fds"
    );
    std::thread::scope(|scope| {
        let (to, tally) = (gateway.addr(), &tally);
        for depth in [1, 1, 1, 8] {
            scope.spawn(move || callers::on_one_connection(to, tally, depth));
        }
        scope.spawn(move || callers::on_new_connections(to, tally));
        scope.spawn(move || callers::over_http_2(to, tally));
        scope.spawn(move || callers::hanging_up(to, tally));
        while !run.is_over() && !tally.is_over() {
            std::thread::sleep(Duration::from_millis(200));
            if run.is_due() {
                println!(
                    "{:>5} {} {:>8} {:>5}",
                    run.seconds(),
                    tally.line(),
                    gateway.resident() / 1024,
                    gateway.descriptors()
                );
            }
        }
        tally.stop.store(true, Ordering::Relaxed);
    });
    println!("{:>5} {}", run.seconds(), tally.line());
    let wrong = tally.wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(unlike.lock().unwrap()[..], [""; 0]);
    assert_eq!(backend.complaints(), [""; 0]);
    let [asked, answered, refused, cut, behind, raced, left] =
        [tally.next, tally.answered, tally.refused, tally.cut, tally.behind, tally.raced, tally.left]
            .map(AtomicU64::into_inner);
    assert_eq!(answered + refused + cut + behind + raced + left, asked, "every call has one end");
    assert!(answered > 100 && refused > 10 && cut > 2, "it was a soak");
    assert!(raced * 20 < asked, "{raced} of {asked} raced");
    eventually("nothing is in flight", || {
        (gateway.metrics().sum("vergate_requests_in_flight", &[]) == 0.0).then_some(())
    });
}
