//! How bounded families meet crate `prometheus`, which keeps the registry, writes the text and knows the process.

use std::sync::Arc;

use prometheus::{
    Registry,
    core::{Collector, Desc},
    process_collector::ProcessCollector,
    proto,
};

use rustix::time::{ClockId, clock_gettime};

use super::{
    cells::{Cell, Counter},
    series::Series,
};

/// Creates families and registers them.
pub(super) struct Families {
    pub(super) registry: Registry,
    pub(super) overflow: Arc<Series<Counter, 1>>,
}

impl Families {
    pub(super) fn new() -> Self {
        let registry = Registry::new();
        let help = "Look-ups that ended in the series named other because a metric had 1,000 already.";
        let overflow = Series::new("vergate_label_overflow_total", help, ["metric"], Counter::default());
        let families = Self { registry, overflow: Arc::new(overflow) };
        families.register(Registered(Arc::clone(&families.overflow)));
        families.register(Process(ProcessCollector::for_self()));
        families
    }

    pub(super) fn add<C: Cell, const N: usize>(
        &self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
    ) -> Arc<Series<C, N>> {
        // A family without labels cannot overflow.
        let overflow = if N == 0 { Counter::default() } else { self.overflow.shared([name]) };
        let series = Arc::new(Series::new(name, help, labels, overflow));
        self.register(Registered(Arc::clone(&series)));
        series
    }

    fn register(&self, collector: impl Collector + 'static) {
        self.registry.register(Box::new(collector)).expect("the families of this file have different names");
    }
}

/// What crate `prometheus` knows of the process. Its processor time is cut to whole seconds there: the kernel knows it
/// better.
struct Process(ProcessCollector);

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let mut families = self.0.collect();
        let cpu = families.iter_mut().filter(|family| family.name() == "process_cpu_seconds_total");
        cpu.flat_map(|family| family.mut_metric()).for_each(|metric| {
            let mut counter = proto::Counter::default();
            counter.set_value(cpu_seconds());
            metric.set_counter(counter);
        });
        families
    }
}

/// What all threads of the process have used.
pub(super) fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

/// The registry's view of a shared family.
#[derive(Debug)]
struct Registered<C, const N: usize>(Arc<Series<C, N>>);

impl<C: Cell, const N: usize> Collector for Registered<C, N> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.desc]
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let mut metrics = Vec::new();
        self.0.each(|values, cells| {
            let mut metric = C::sum(cells);
            metric.set_label(label_pairs(&self.0.labels, values.iter().map(|value| &**value)));
            metrics.push(metric);
        });
        vec![family(self.0.name, self.0.help, C::KIND, metrics)]
    }
}

/// Puts names and values together, in the order the family declares.
pub(super) fn label_pairs<'a>(names: &[&str], values: impl Iterator<Item = &'a str>) -> Vec<proto::LabelPair> {
    let pair = |(name, value): (&&str, &str)| {
        let mut pair = proto::LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    names.iter().zip(values).map(pair).collect()
}

/// A family as the encoder takes it.
pub(super) fn family(
    name: &str,
    help: &str,
    kind: proto::MetricType,
    metrics: Vec<proto::Metric>,
) -> proto::MetricFamily {
    let mut family = proto::MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}
