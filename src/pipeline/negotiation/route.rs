//! Which of a host's APIs owns a path.
//!
//! Each API is looked up after the version was taken off with its own path sources, so APIs with the
//! same path sources share one group: the expressions run once, then one table finds the prefix.

use std::{borrow::Cow, cmp::Reverse, collections::HashMap, ops::Range};

use super::{expression::Expression, host::Hosts, path_view, strip};
use crate::domain::api::{Api, SourcePlace};

/// The APIs that answer to one host.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    groups: Vec<Group>,
    /// Groups by the first segment of their prefixes; each group once per segment.
    by_first_segment: HashMap<Box<str>, Vec<usize>>,
    /// Groups with an API of the prefix `/`.
    rooted: Vec<usize>,
    /// The most path sources any group has.
    expressions_max: usize,
    /// How many APIs these are.
    pub(super) count: usize,
}

/// APIs with the same path sources.
#[derive(Debug)]
struct Group {
    patterns: Vec<String>,
    expressions: Vec<Expression>,
    /// The API of the prefix `/`.
    root: Option<usize>,
    /// APIs by prefix, normalised and without a trailing slash.
    prefixes: HashMap<Box<str>, usize>,
    /// Segments of the longest prefix.
    segments_max: usize,
}

/// An API that owns a path.
#[derive(Debug)]
pub(super) struct Owner<'v> {
    /// Index into the configuration's APIs.
    pub(super) api: usize,
    /// Segments of its prefix.
    pub(super) prefix_segments: usize,
    /// The path without the version.
    pub(super) path: Cow<'v, str>,
    /// Where the path sources found a version, in the order of the API's path sources.
    pub(super) captures: Captures,
}

/// Ranges of a path, by path source. Nothing is allocated for the first two.
#[derive(Clone, Debug, Default)]
pub(super) struct Captures {
    first: [Option<Range<usize>>; 2],
    more: Vec<Option<Range<usize>>>,
}

/// Sorts the APIs by host and path sources.
pub(super) fn compile(apis: &[Api]) -> (Hosts, Vec<Candidates>) {
    let mut hosts = Hosts::default();
    let mut candidates: Vec<Candidates> = Vec::new();
    for (index, api) in apis.iter().enumerate() {
        let patterns = api.hosts.iter().map(Some).chain(api.hosts.is_empty().then_some(None));
        for pattern in patterns {
            let set = hosts.set(pattern, candidates.len());
            if set == candidates.len() {
                candidates.push(Candidates::default());
            }
            candidates[set].add(index, api);
        }
    }
    (hosts, candidates)
}

impl Candidates {
    fn add(&mut self, index: usize, api: &Api) {
        let patterns: Vec<String> = path_patterns(api).map(str::to_owned).collect();
        let at = self.groups.iter().position(|group| group.patterns == patterns).unwrap_or_else(|| {
            self.groups.push(Group::new(patterns));
            self.groups.len() - 1
        });
        let prefix = path_view::normalise(api.path.trim_end_matches('/'));
        let groups = match prefix_ends(&prefix).next() {
            None => &mut self.rooted,
            Some(end) => self.by_first_segment.entry(prefix[..end].into()).or_default(),
        };
        if !groups.contains(&at) {
            groups.push(at);
        }
        self.groups[at].add(index, &prefix);
        self.expressions_max = self.expressions_max.max(self.groups[at].expressions.len());
        self.count += 1;
    }

    /// The API with the longest prefix of `view`, each after its own path sources; the first declared
    /// of equally long ones.
    pub(super) fn find<'v>(&self, view: &'v str) -> Option<Owner<'v>> {
        if let [only] = &self.groups[..] {
            return only.find(view);
        }
        // Each path source takes one segment off, so the first that is left is one of the first few.
        let starts = std::iter::once(0).chain(prefix_ends(view));
        let segments = starts.zip(prefix_ends(view)).take(self.expressions_max + 1);
        let by_segment = segments.filter_map(|(start, end)| self.by_first_segment.get(&view[start..end])).flatten();
        let owners = by_segment.chain(&self.rooted).filter_map(|group| self.groups[*group].find(view));
        owners.min_by_key(|owner| (Reverse(owner.prefix_bytes()), owner.api))
    }
}

impl Owner<'_> {
    fn prefix_bytes(&self) -> usize {
        prefix_ends(&self.path).take(self.prefix_segments).last().unwrap_or(0)
    }
}

impl Group {
    fn new(patterns: Vec<String>) -> Self {
        let expressions = patterns.iter().map(|pattern| Expression::path(pattern)).collect();
        Self { patterns, expressions, root: None, prefixes: HashMap::new(), segments_max: 0 }
    }

    /// - `prefix`: normalised, without a trailing slash.
    fn add(&mut self, api: usize, prefix: &str) {
        if prefix.is_empty() {
            self.root.get_or_insert(api);
        } else {
            self.segments_max = self.segments_max.max(prefix_ends(prefix).count());
            self.prefixes.entry(prefix.into()).or_insert(api);
        }
    }

    fn find<'v>(&self, view: &'v str) -> Option<Owner<'v>> {
        let mut captures = Captures::default();
        for (index, expression) in self.expressions.iter().enumerate() {
            captures.push(index, expression.find(view));
        }
        let path = captures.take_off(view, view);
        let mut best = self.root.map(|api| (api, 0));
        for (index, end) in prefix_ends(&path).take(self.segments_max).enumerate() {
            if let Some(api) = self.prefixes.get(&path[..end]) {
                best = Some((*api, index + 1));
            }
        }
        let (api, prefix_segments) = best?;
        Some(Owner { api, prefix_segments, path, captures })
    }
}

impl Captures {
    fn push(&mut self, index: usize, range: Option<Range<usize>>) {
        match self.first.get_mut(index) {
            Some(slot) => *slot = range,
            None => self.more.push(range),
        }
    }

    /// Whether no path source found anything.
    pub(super) fn is_empty(&self) -> bool {
        self.first.iter().chain(&self.more).all(Option::is_none)
    }

    /// What the path source at `index`, counted among path sources, found.
    pub(super) fn find(&self, index: usize) -> Option<Range<usize>> {
        match self.first.get(index) {
            Some(range) => range.clone(),
            None => self.more.get(index - self.first.len()).cloned().flatten(),
        }
    }

    /// `path` without the segments in which something was found.
    ///
    /// - `view`: where it was found; has the same segments.
    pub(super) fn take_off<'p>(&self, view: &str, path: &'p str) -> Cow<'p, str> {
        let mut found = self.first.iter().chain(&self.more).flatten().map(|range| segment_of(view, range)).peekable();
        match found.peek() {
            None => Cow::Borrowed(path),
            Some(_) => {
                let first = found.next();
                let more: Vec<usize> = found.collect();
                strip::segments(path, |segment| Some(segment) == first || more.contains(&segment))
            }
        }
    }
}

/// The expressions of an API's path sources, in order.
fn path_patterns(api: &Api) -> impl Iterator<Item = &str> {
    api.versioning.sources.iter().filter_map(|source| match &source.place {
        SourcePlace::Path(expression) => Some(expression.as_str()),
        SourcePlace::Header(_) | SourcePlace::Query(_) | SourcePlace::Accept(_) => None,
    })
}

/// Index of the segment in which `range` begins.
pub(super) fn segment_of(path: &str, range: &Range<usize>) -> usize {
    memchr::memchr_iter(b'/', &path.as_bytes()[..range.start]).count().saturating_sub(1)
}

/// Where the first segment ends, the first two, and so on; nothing for `/`.
fn prefix_ends(path: &str) -> impl Iterator<Item = usize> {
    let slashes = memchr::memchr_iter(b'/', path.as_bytes()).skip(1);
    let whole = (path.len() > 1).then_some(path.len());
    slashes.chain(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::negotiation::fixture::api;

    fn owner(apis: &[Api], path: &str) -> Option<(usize, String)> {
        let (hosts, candidates) = compile(apis);
        let set = hosts.find(None).0.expect("apis for any host");
        candidates[set].find(path).map(|owner| (owner.api, owner.path.into_owned()))
    }

    const V: &str = r"^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)";

    #[test]
    fn the_longest_prefix_of_whole_segments_wins_after_the_version_was_taken_off() {
        let apis = [
            api("root").sources(&[V]).build(),
            api("one").path("/api").sources(&[V]).build(),
            api("two").path("/api/users/").sources(&[V]).build(),
        ];
        for (path, index, rest) in [
            ("/v1/api/x", 1, "/api/x"),
            ("/api", 1, "/api"),
            ("/api/", 1, "/api/"),
            ("/v1/api", 1, "/api"),
            ("/apix", 0, "/apix"),
            ("/v1/api/users/7", 2, "/api/users/7"),
            ("/v1/api/users", 2, "/api/users"),
            ("/v1/api/usersx", 1, "/api/usersx"),
            ("/v1", 0, "/"),
            ("/", 0, "/"),
            ("/API", 0, "/API"),
        ] {
            assert_eq!(owner(&apis, path), Some((index, rest.to_owned())), "{path}");
        }
    }

    #[test]
    fn each_api_takes_the_version_off_with_its_own_path_sources() {
        let apis = [
            api("plain").path("/v1").build(),
            api("first").path("/shop").sources(&[V]).build(),
            api("second").path("/shop/cart").sources(&["^/shop/r([0-9]+)(?:/|$)"]).build(),
        ];
        assert_eq!(owner(&apis, "/v1/x"), Some((0, "/v1/x".into())));
        assert_eq!(owner(&apis, "/v1/shop"), Some((1, "/shop".into())));
        assert_eq!(owner(&apis, "/shop/r2/cart/x"), Some((2, "/shop/cart/x".into())));
        assert_eq!(owner(&apis, "/shop/v1/cart"), Some((1, "/shop/v1/cart".into())));
        assert_eq!(owner(&apis, "/nobody"), None);
    }

    #[test]
    fn several_path_sources_of_an_api_all_take_their_segment_off() {
        let sources = ["^/a([0-9]+)/", "/b([0-9]+)/", "/c([0-9]+)/", "/d([0-9]+)/"];
        let apis = [api("many").path("/x").sources(&sources).build()];
        assert_eq!(owner(&apis, "/a1/x/b2/y/c3/z/d4/"), Some((0, "/x/y/z/".into())));
    }

    #[test]
    fn among_many_path_sources_each_api_is_found_by_its_own() {
        let sources: Vec<String> = (0..50).map(|index| format!("^/(?:a/)?s{index}/v([0-9]+)/")).collect();
        let mut apis: Vec<Api> = sources
            .iter()
            .enumerate()
            .map(|(index, source)| api("one").path(&format!("/s{index}/x")).sources(&[source, V]).build())
            .collect();
        apis.push(api("outer").path("/a").sources(&["^/a/s7/v([0-9]+)/"]).build());
        assert_eq!(owner(&apis, "/s49/v1/x/y"), Some((49, "/s49/x/y".into())));
        assert_eq!(owner(&apis, "/v2/s49/x"), Some((49, "/s49/x".into())));
        assert_eq!(owner(&apis, "/s48/v1/y"), None);
        assert_eq!(owner(&apis, "/a/s7/v1/x"), Some((50, "/a/s7/x".into())));
        assert_eq!(owner(&apis, "/"), None);
    }

    #[test]
    fn a_prefix_is_compared_in_its_normalised_form() {
        let apis = [api("root").build(), api("cafe").path("/caf%c3%a9").build()];
        assert_eq!(owner(&apis, &path_view::normalise("/café/x")).map(|found| found.0), Some(1));
    }
}
