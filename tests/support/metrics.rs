//! Reading the text format of `/metrics`.

use std::collections::BTreeMap;

/// One scrape.
#[derive(Debug)]
pub(crate) struct Metrics(Vec<Sample>);

/// One line of it.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Metrics {
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).map(sample).collect())
    }

    /// Every sample of a name.
    pub(crate) fn all(&self, name: &str) -> Vec<&Sample> {
        self.0.iter().filter(|s| s.name == name).collect()
    }

    /// The sum of the samples that carry all of these labels; 0 where there are none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(name)
            .into_iter()
            .filter(|s| labels.iter().all(|(k, v)| s.labels.get(*k).is_some_and(|have| have == v)))
            .map(|s| s.value)
            .sum()
    }
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("sample line {line:?}"));
    let value = value.parse().unwrap_or_else(|_| panic!("sample value in {line:?}"));
    let Some((name, rest)) = series.split_once('{') else {
        return Sample { name: series.to_owned(), labels: BTreeMap::new(), value };
    };
    let mut labels = BTreeMap::new();
    let mut rest = rest.trim_end_matches('}');
    while let Some((key, after)) = rest.split_once("=\"") {
        let mut text = String::new();
        let mut chars = after.char_indices();
        let mut end = after.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, c)) => text.push(c),
                    None => {}
                },
                '"' => {
                    end = at + 1;
                    break;
                }
                c => text.push(c),
            }
        }
        labels.insert(key.trim_start_matches(',').to_owned(), text);
        rest = &after[end..];
    }
    Sample { name: name.to_owned(), labels, value }
}
