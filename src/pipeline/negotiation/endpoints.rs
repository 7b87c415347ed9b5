//! Which endpoint of a version a method and path mean.

use http::Method;

use super::path_view;
use crate::domain::endpoint::{Endpoint, Segment};

/// The endpoint list of one version as a tree of segments.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    /// Sorted by text.
    literals: Vec<(Box<str>, Node)>,
    param: Option<Box<Node>>,
    /// Methods of the templates that end here, with their index in the list.
    methods: Vec<(Method, usize)>,
}

/// What a lookup found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// Index into the list.
    Endpoint(usize),
    /// The path is listed, and OPTIONS asks about it.
    Options,
    /// Nothing fits.
    No,
}

impl Endpoints {
    /// Compiles a list; of two equal entries the first counts.
    pub(super) fn compile(list: &[Endpoint]) -> Self {
        let mut root = Node::default();
        for (index, endpoint) in list.iter().enumerate() {
            let node = endpoint.segments().iter().fold(&mut root, Node::child);
            // An entry with a method HTTP cannot carry is never asked for.
            if let Ok(method) = Method::from_bytes(endpoint.method().as_bytes())
                && !node.methods.iter().any(|(known, _)| *known == method)
            {
                node.methods.push((method, index));
            }
        }
        Self { root }
    }

    /// Looks a normalised path up. Literal segments beat `{…}`; HEAD counts as GET.
    pub(super) fn find(&self, method: &Method, path: &str) -> Listed {
        let inner = path.strip_prefix('/').unwrap_or(path);
        // One trailing slash changes nothing.
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let rest = (!inner.is_empty()).then_some(inner);
        if let Some(index) = self.root.find(rest, &|node| node.answers(method)) {
            return Listed::Endpoint(index);
        }
        let any = |node: &Node| (!node.methods.is_empty()).then_some(0);
        match *method == Method::OPTIONS && self.root.find(rest, &any).is_some() {
            true => Listed::Options,
            false => Listed::No,
        }
    }
}

impl Node {
    fn child(&mut self, segment: &Segment) -> &mut Self {
        match segment {
            Segment::Param(_) => self.param.get_or_insert_default(),
            Segment::Literal(text) => {
                let text = path_view::normalise(text);
                let at = match self.literals.binary_search_by(|(known, _)| known.as_ref().cmp(&text)) {
                    Ok(at) => at,
                    Err(at) => {
                        self.literals.insert(at, (text.into(), Self::default()));
                        at
                    }
                };
                &mut self.literals[at].1
            }
        }
    }

    /// - `rest`: the segments below this node, joined by `/`; none at the end of the path.
    fn find(&self, rest: Option<&str>, wanted: &impl Fn(&Self) -> Option<usize>) -> Option<usize> {
        let Some(rest) = rest else { return wanted(self) };
        let (segment, rest) = match memchr::memchr(b'/', rest.as_bytes()) {
            Some(slash) => (&rest[..slash], Some(&rest[slash + 1..])),
            None => (rest, None),
        };
        let literal = self.literals.binary_search_by(|(known, _)| known.as_ref().cmp(segment)).ok();
        if let Some(found) = literal.and_then(|at| self.literals[at].1.find(rest, wanted)) {
            return Some(found);
        }
        self.param.as_deref().filter(|_| !segment.is_empty())?.find(rest, wanted)
    }

    fn answers(&self, method: &Method) -> Option<usize> {
        let exact = |method: &Method| self.methods.iter().find(|(known, _)| known == method).map(|(_, index)| *index);
        exact(method).or_else(|| if *method == Method::HEAD { exact(&Method::GET) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(texts: &[&str]) -> Vec<Endpoint> {
        texts.iter().map(|text| Endpoint::parse(text).expect("an endpoint")).collect()
    }

    #[test]
    fn the_most_literal_template_of_the_method_wins() {
        let endpoints = Endpoints::compile(&list(&[
            "GET /models/{id}",
            "GET /models/latest",
            "POST /models/{id}",
            "GET /{any}/latest/info",
            "PUT /caf%c3%a9",
            "GET /",
        ]));
        for (method, path, found) in [
            (Method::GET, "/models/7", Listed::Endpoint(0)),
            (Method::GET, "/models/7/", Listed::Endpoint(0)),
            (Method::HEAD, "/models/7", Listed::Endpoint(0)),
            (Method::GET, "/models/latest", Listed::Endpoint(1)),
            (Method::POST, "/models/latest", Listed::Endpoint(2)),
            (Method::GET, "/models/latest/info", Listed::Endpoint(3)),
            (Method::PUT, "/caf%C3%A9", Listed::Endpoint(4)),
            (Method::GET, "/", Listed::Endpoint(5)),
            (Method::OPTIONS, "/models/7", Listed::Options),
            (Method::OPTIONS, "/models", Listed::No),
            (Method::DELETE, "/models/7", Listed::No),
            (Method::GET, "/models/", Listed::No),
            (Method::GET, "/models//", Listed::No),
            (Method::GET, "/Models/7", Listed::No),
        ] {
            assert_eq!(endpoints.find(&method, path), found, "{method} {path}");
        }
    }

    #[test]
    fn a_listed_head_or_options_is_itself() {
        let endpoints = Endpoints::compile(&list(&["GET /a", "HEAD /a", "OPTIONS /a"]));
        assert_eq!(endpoints.find(&Method::HEAD, "/a"), Listed::Endpoint(1));
        assert_eq!(endpoints.find(&Method::OPTIONS, "/a"), Listed::Endpoint(2));
    }

    proptest! {
        /// Law: the tree finds something exactly where some template of the method fits.
        #[test]
        fn the_tree_agrees_with_the_templates(path in "(/(a|b|c|7)?){0,4}") {
            let list = list(&["GET /a", "GET /a/{x}", "GET /{x}/b", "GET /a/b/c", "GET /{x}/{y}/{z}"]);
            match Endpoints::compile(&list).find(&Method::GET, &path) {
                Listed::Endpoint(index) => prop_assert!(list[index].matches_path(&path)),
                found => prop_assert!(found == Listed::No && !list.iter().any(|endpoint| endpoint.matches_path(&path))),
            }
        }
    }
}
