//! From the workers to the collector.

use std::{collections::HashMap, time::Duration};

use opentelemetry_otlp::{SpanExporter as Otlp, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanExporter as _},
};
use tokio::sync::{mpsc, oneshot, watch};

use super::Finished;
use crate::telemetry::{Counter, Exporting, Metrics};

/// Exchanges that may wait to be sent; what comes when so many do is dropped.
const WAITING_MAX: usize = 4096;
/// Exchanges in one request to the collector at most.
const BATCH_MAX: usize = 256;
/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_millis(200);

/// Where workers leave what has been traced. Never waits.
#[derive(Clone, Debug)]
pub struct Spans {
    queue: mpsc::Sender<Message>,
    exporting: watch::Sender<Option<Exporting>>,
    overflow: Counter,
}

#[derive(Debug)]
enum Message {
    Finished(Box<Finished>),
    /// Answered when everything before it was sent.
    Flush(oneshot::Sender<()>),
}

/// Sends what workers leave; runs on the control thread.
#[derive(Debug)]
pub struct Exporter {
    queue: mpsc::Receiver<Message>,
    exporting: watch::Receiver<Option<Exporting>>,
    sent: Counter,
    failed: Counter,
    /// Whether the last batch could not be sent: said once, not each time.
    failing: bool,
}

impl Spans {
    /// Both ends of the queue.
    pub fn new(metrics: &Metrics) -> (Self, Exporter) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let (to, from) = watch::channel(None);
        let (sent, overflow, failed) = metrics.spans();
        let spans = Self { queue: sender, exporting: to, overflow };
        (spans, Exporter { queue: receiver, exporting: from, sent, failed, failing: false })
    }

    /// From now on spans are sent there, or nowhere.
    pub fn export_to(&self, exporting: Option<&Exporting>) {
        self.exporting.send_if_modified(|known| {
            let differs = known.as_ref() != exporting;
            if differs {
                *known = exporting.cloned();
            }
            differs
        });
    }

    /// Waits until everything handed over so far was sent, but not longer than `within`.
    pub async fn flush(&self, within: Duration) {
        let (done, flushed) = oneshot::channel();
        let flush = async {
            if self.queue.send(Message::Flush(done)).await.is_ok() {
                let _ = flushed.await;
            }
        };
        if tokio::time::timeout(within, flush).await.is_err() {
            tracing::warn!("the last spans could not be sent in time");
        }
    }

    pub(super) fn hand_over(&self, finished: Finished) {
        let count = finished.count() as u64;
        if self.queue.try_send(Message::Finished(Box::new(finished))).is_err() {
            self.overflow.inc_by(count);
        }
    }
}

impl Exporter {
    /// Sends until nobody can leave anything any more.
    pub async fn run(mut self) {
        let (mut collector, mut batch) = (Collector::default(), Vec::new());
        while self.queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut asked = Vec::new();
            let mut flushing = batch.iter().any(|message| matches!(message, Message::Flush(_)));
            if !flushing && batch.len() < BATCH_MAX {
                tokio::time::sleep(GATHER).await;
            }
            loop {
                while batch.len() < BATCH_MAX
                    && let Ok(message) = self.queue.try_recv()
                {
                    batch.push(message);
                }
                if batch.is_empty() {
                    break;
                }
                let mut spans = Vec::new();
                for message in batch.drain(..) {
                    match message {
                        Message::Finished(finished) => spans.extend(finished.spans()),
                        Message::Flush(done) => {
                            flushing = true;
                            asked.push(done);
                        }
                    }
                }
                self.send(&mut collector, spans).await;
            }
            if flushing {
                for done in asked {
                    let _ = done.send(());
                }
            }
        }
    }

    async fn send(&mut self, collector: &mut Collector, spans: Vec<SpanData>) {
        let count = spans.len() as u64;
        if count == 0 {
            return;
        }
        if self.exporting.has_changed().unwrap_or(false) || collector.0.is_none() {
            let exporting = self.exporting.borrow_and_update().clone();
            *collector = Collector::new(exporting.as_ref());
        }
        // Nobody wants them any more.
        let Some(exporter) = &collector.0 else { return };
        match exporter.export(spans).await {
            Ok(()) => {
                self.sent.inc_by(count);
                if std::mem::take(&mut self.failing) {
                    tracing::info!("spans are sent again");
                }
            }
            Err(error) => {
                self.failed.inc_by(count);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "spans cannot be sent");
                }
            }
        }
    }
}

/// The collector, if there is one.
#[derive(Debug, Default)]
struct Collector(Option<Otlp>);

impl Collector {
    fn new(exporting: Option<&Exporting>) -> Self {
        Self(exporting.and_then(|exporting| {
            let built = build(exporting);
            built.inspect_err(|error| tracing::error!(%error, "spans cannot be sent")).ok()
        }))
    }
}

fn build(exporting: &Exporting) -> Result<Otlp, opentelemetry_otlp::ExporterBuildError> {
    // The library decodes percent signs in values.
    let encoded = |value: &str| value.replace('%', "%25");
    let headers: HashMap<_, _> = exporting.headers.iter().map(|(name, value)| (name.clone(), encoded(value))).collect();
    let builder = Otlp::builder().with_http().with_endpoint(&exporting.endpoint);
    let mut exporter = builder.with_timeout(exporting.timeout).with_headers(headers).build()?;
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder_empty().with_service_name(exporting.service_name.clone());
    exporter.set_resource(&resource.with_attribute(version).build());
    Ok(exporter)
}
