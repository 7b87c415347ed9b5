//! Families whose values are read when they are scraped, not counted when things happen.
//!
//! For numbers that something else keeps already: reading them once per scrape costs less than
//! keeping them twice.

use std::collections::{BTreeMap, HashMap};

use prometheus::{
    core::{Collector, Desc},
    proto,
};

use super::{
    cells::Counter,
    families::{family, label_pairs},
    series::{OTHER, SERIES_MAX},
};

/// What a sampled family counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, but for servers that are gone.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// One number of each thing.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Of the metric.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// What it counts.
    pub kind: Kind,
}

/// Values of two labels, and one number for each of the families.
pub type Sample<const N: usize> = ([String; 2], [f64; N]);

/// Reads all samples, at each scrape.
pub type Source<const N: usize> = Box<dyn Fn() -> Vec<Sample<N>> + Send + Sync>;

/// Families with the same labels, from the same source.
pub(super) struct Sampled<const N: usize> {
    labels: [&'static str; 2],
    families: [Family; N],
    descs: Vec<Desc>,
    source: Source<N>,
    /// Counts scrapes that had more samples than there may be, by family.
    overflow: Vec<Counter>,
}

impl<const N: usize> Sampled<N> {
    /// `overflow`: the counter of a family of this name.
    pub(super) fn new(
        labels: [&'static str; 2],
        families: [Family; N],
        overflow: impl Fn(&'static str) -> Counter,
        source: Source<N>,
    ) -> Self {
        let desc = |family: &Family| {
            let labels = labels.map(String::from).to_vec();
            Desc::new(family.name.into(), family.help.into(), labels, HashMap::new())
                .expect("names and labels of families are literals, and tests scrape every one")
        };
        Self {
            labels,
            descs: families.iter().map(desc).collect(),
            overflow: families.iter().map(|family| overflow(family.name)).collect(),
            families,
            source,
        }
    }
}

impl<const N: usize> Collector for Sampled<N> {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let mut samples: BTreeMap<[String; 2], [f64; N]> = BTreeMap::new();
        let mut beyond = 0;
        for (mut labels, values) in (self.source)() {
            if samples.len() >= SERIES_MAX && !samples.contains_key(&labels) {
                labels = [OTHER.to_owned(), OTHER.to_owned()];
                beyond += 1;
            }
            let sums = samples.entry(labels).or_insert([0.0; N]);
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        let families = self.families.iter().enumerate();
        let written = families.map(|(at, described)| {
            if beyond > 0 {
                self.overflow[at].inc();
            }
            let metrics = samples.iter().map(|(labels, values)| {
                let mut metric = sample(described.kind, values[at]);
                metric.set_label(label_pairs(&self.labels, labels.iter().map(String::as_str)));
                metric
            });
            let kind = match described.kind {
                Kind::Counter => proto::MetricType::COUNTER,
                Kind::Gauge => proto::MetricType::GAUGE,
            };
            family(described.name, described.help, kind, metrics.collect())
        });
        written.filter(|family| !family.get_metric().is_empty()).collect()
    }
}

fn sample(kind: Kind, value: f64) -> proto::Metric {
    match kind {
        Kind::Gauge => {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(value);
            proto::Metric::from_gauge(gauge)
        }
        Kind::Counter => {
            let mut counter = proto::Counter::default();
            counter.set_value(value);
            let mut metric = proto::Metric::default();
            metric.set_counter(counter);
            metric
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILIES: [Family; 2] = [
        Family { name: "one_total", help: "One.", kind: Kind::Counter },
        Family { name: "two", help: "Two.", kind: Kind::Gauge },
    ];

    fn collected(count: usize) -> (Vec<proto::MetricFamily>, Counter) {
        let overflow = Counter::default();
        let counter = overflow.clone();
        let source = move || (0..count).map(|n| (["u".to_owned(), n.to_string()], [1.0, 2.0])).collect();
        let sampled = Sampled::new(["upstream", "server"], FAMILIES, |_| counter.clone(), Box::new(source));
        (sampled.collect(), overflow)
    }

    #[test]
    fn each_family_has_its_number_of_each_sample() {
        let (families, overflow) = collected(2);
        assert_eq!(families[0].get_metric()[1].get_counter().get_value(), 1.0);
        assert_eq!(families[1].get_metric()[0].get_gauge().get_value(), 2.0);
        assert_eq!(families[0].get_metric()[1].get_label()[1].value(), "1");
        assert_eq!(overflow.value(), 0);
        assert!(collected(0).0.is_empty(), "a family without samples is not written");
    }

    #[test]
    fn beyond_a_thousand_samples_the_rest_is_other() {
        let (families, overflow) = collected(SERIES_MAX + 5);
        assert_eq!(families[0].get_metric().len(), SERIES_MAX + 1);
        let other = families[0].get_metric().iter().find(|metric| metric.get_label()[0].value() == OTHER);
        assert_eq!(other.map(|metric| metric.get_counter().get_value()), Some(5.0));
        assert_eq!(overflow.value(), 2, "once for each family");
    }
}
