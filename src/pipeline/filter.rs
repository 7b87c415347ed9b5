//! Bodies that are rewritten while they pass: where stages that carry bytes meet one that knows them.

use std::{
    error::Error,
    fmt,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

/// Rewrites a body piece by piece.
pub trait Filter: fmt::Debug {
    /// Gives it more, once [`Filter::take`] said it is starved.
    fn push(&mut self, data: Bytes);
    /// Nothing more comes.
    fn end(&mut self);
    /// What is ready by now; pending while another thread works on it.
    fn take(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next, Unfit>>;
    /// Takes off what no longer holds of the trailers.
    fn trailers(&self, trailers: &mut HeaderMap);
}

/// What a filter has ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A piece, not empty.
    Data(Bytes),
    /// More has to be pushed first.
    Starved,
    /// Nothing yet, but some work is done: ask again.
    Working,
    /// That was all.
    End,
}

/// Why a body does not go through: it breaks off here.
#[derive(Debug)]
pub struct Unfit(pub Box<dyn Error + Send + Sync>);

/// A filter, and what waits behind it.
#[derive(Debug)]
pub struct Filtered {
    filter: Box<dyn Filter>,
    trailers: Option<HeaderMap>,
    ended: bool,
}

/// Rounds of work without a piece after which others have a turn.
const ROUNDS: u32 = 16;

impl Filtered {
    /// Begins a body.
    pub fn new(filter: Box<dyn Filter>) -> Self {
        Self { filter, trailers: None, ended: false }
    }

    /// The next piece, or the trailers behind the last one.
    ///
    /// - `source`: where the body comes from; asked only while the filter is starved, so that a slow
    ///   reader slows the sender down.
    pub fn poll_frame<E: From<Unfit>>(
        &mut self,
        cx: &mut Context<'_>,
        mut source: impl FnMut(&mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        let mut rounds = 0;
        loop {
            match ready!(self.filter.take(cx)) {
                Err(unfit) => return Poll::Ready(Some(Err(unfit.into()))),
                Ok(Next::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Next::End) => {
                    let trailers = self.trailers.take().filter(|trailers| !trailers.is_empty());
                    return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
                }
                Ok(Next::Working) if rounds < ROUNDS => rounds += 1,
                Ok(Next::Working) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(Next::Starved) => match ready!(source(cx)) {
                    None => self.end(),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => self.filter.push(data),
                        Err(frame) => {
                            if let Ok(mut trailers) = frame.into_trailers() {
                                self.filter.trailers(&mut trailers);
                                self.trailers = Some(trailers);
                            }
                            self.end();
                        }
                    },
                },
            }
        }
    }

    fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.filter.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, task::Waker};

    use http::{HeaderName, HeaderValue};

    use super::*;

    /// Doubles every piece after some rounds of work; fails at `!`.
    #[derive(Debug, Default)]
    struct Doubler {
        input: Bytes,
        ended: bool,
        work: u32,
    }

    #[derive(Debug, PartialEq)]
    struct Failed(String);

    impl From<Unfit> for Failed {
        fn from(unfit: Unfit) -> Self {
            Self(unfit.0.to_string())
        }
    }

    impl Filter for Doubler {
        fn push(&mut self, data: Bytes) {
            self.input = data;
            self.work = 40;
        }

        fn end(&mut self) {
            self.ended = true;
        }

        fn take(&mut self, _cx: &mut Context<'_>) -> Poll<Result<Next, Unfit>> {
            if self.input == "!" {
                return Poll::Ready(Err(Unfit("unfit".into())));
            }
            if self.input.is_empty() {
                return Poll::Ready(Ok(if self.ended { Next::End } else { Next::Starved }));
            }
            if self.work > 0 {
                self.work -= 1;
                return Poll::Ready(Ok(Next::Working));
            }
            let input = std::mem::take(&mut self.input);
            Poll::Ready(Ok(Next::Data([&input[..], &input].concat().into())))
        }

        fn trailers(&self, trailers: &mut HeaderMap) {
            trailers.remove("x-sum");
        }
    }

    type Piece = Result<Frame<Bytes>, Failed>;

    /// What comes out until the end, and how often others had a turn.
    fn run(pieces: Vec<Piece>) -> (Vec<String>, u32) {
        let mut filtered = Filtered::new(Box::new(Doubler::default()));
        let mut pieces = VecDeque::from(pieces);
        let (mut out, mut turns) = (Vec::new(), 0);
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match filtered.poll_frame(&mut cx, |_| Poll::Ready(pieces.pop_front())) {
                Poll::Pending => turns += 1,
                Poll::Ready(None) => return (out, turns),
                Poll::Ready(Some(Err(Failed(error)))) => {
                    out.push(error);
                    return (out, turns);
                }
                Poll::Ready(Some(Ok(frame))) => out.push(match frame.into_data() {
                    Ok(data) => String::from_utf8(data.to_vec()).expect("text"),
                    Err(frame) => format!("{:?}", frame.trailers_ref()),
                }),
            }
        }
    }

    fn data(text: &'static str) -> Piece {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    #[test]
    fn pieces_come_out_rewritten_and_others_have_turns() {
        assert_eq!(run(vec![data("a"), data("b")]), (vec!["aa".to_owned(), "bb".to_owned()], 4));
    }

    #[test]
    fn trailers_come_last_without_what_no_longer_holds() {
        let trailers = |names: &[&'static str]| {
            let line = |name: &&'static str| (HeaderName::from_static(name), HeaderValue::from_static("1"));
            Ok(Frame::trailers(names.iter().map(line).collect()))
        };
        let (out, _) = run(vec![data("a"), trailers(&["x-sum", "x-other"])]);
        assert_eq!(out, ["aa", "Some({\"x-other\": \"1\"})"]);
        assert_eq!(run(vec![trailers(&["x-sum"])]).0, Vec::<String>::new());
    }

    #[test]
    fn what_fails_ends_the_body() {
        assert_eq!(run(vec![data("a"), data("!"), data("b")]).0, ["aa", "unfit"]);
        assert_eq!(run(vec![Err(Failed("broken".to_owned()))]).0, ["broken"]);
    }
}
