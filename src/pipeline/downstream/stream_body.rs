//! A request body that comes by an HTTP/2 stream.

use std::{
    cell::RefCell,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;

use super::body::Broken;

/// What has come of a stream's body: its connection puts in, whoever reads the body takes out.
#[derive(Debug)]
pub struct Inflow {
    state: RefCell<State>,
    /// Looks after the stream, and has to hear of what its client may send next.
    owner: Waker,
    /// The owner hears of it when so many bytes were taken.
    told_at: usize,
}

#[derive(Debug)]
struct State {
    /// One buffer, not a list of pieces: a client may cut its body as small as it likes.
    queue: BytesMut,
    trailers: Option<HeaderMap>,
    /// Bytes that are to come, where the client said it.
    announced: Option<u64>,
    end: End,
    /// Bytes that were taken since the owner asked.
    taken: usize,
    /// Whether the client waits to be asked for the body.
    expects: bool,
    reader: Option<Waker>,
    abandoned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Done,
    Broken,
}

/// The body is not as long as the client said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongLength;

impl Inflow {
    /// - `length`: the whole body's, where the client said it.
    /// - `expects`: whether the client waits to be told to send it.
    /// - `window`: bytes that the client may send ahead.
    pub fn new(length: Option<u64>, expects: bool, window: usize, owner: Waker) -> Rc<Self> {
        let state = State {
            queue: BytesMut::new(),
            trailers: None,
            announced: length,
            end: End::Open,
            taken: 0,
            expects,
            reader: None,
            abandoned: false,
        };
        Rc::new(Self { state: RefCell::new(state), owner, told_at: (window / 2).max(1) })
    }

    /// Takes a piece in.
    pub fn data(&self, data: &[u8]) -> Result<(), WrongLength> {
        let state = &mut *self.state.borrow_mut();
        state.expects = false;
        if let Some(announced) = &mut state.announced {
            *announced = announced.checked_sub(data.len() as u64).ok_or(WrongLength)?;
        }
        if state.abandoned {
            state.taken += data.len();
        } else {
            state.queue.extend_from_slice(data);
        }
        state.wake();
        Ok(())
    }

    /// The last piece has come.
    pub fn end(&self, trailers: Option<HeaderMap>) -> Result<(), WrongLength> {
        let state = &mut *self.state.borrow_mut();
        if state.announced.is_some_and(|announced| announced > 0) {
            return Err(WrongLength);
        }
        (state.trailers, state.end) = (trailers, End::Done);
        state.wake();
        Ok(())
    }

    /// Nothing more will come, and what there is is not the whole.
    pub fn cut(&self) {
        let state = &mut *self.state.borrow_mut();
        if state.end == End::Open {
            state.end = End::Broken;
            state.wake();
        }
    }

    /// How many bytes were taken since the last time.
    pub fn taken(&self) -> usize {
        std::mem::take(&mut self.state.borrow_mut().taken)
    }

    /// Whether the client has to be told now that its body is wanted.
    pub fn invites(&self) -> bool {
        let state = &mut *self.state.borrow_mut();
        state.reader.is_some() && std::mem::take(&mut state.expects)
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// Reads a stream's body; the client may send more as pieces are taken.
#[derive(Debug)]
pub struct StreamBody(Rc<Inflow>);

impl StreamBody {
    /// The one reader of `inflow`.
    pub fn new(inflow: Rc<Inflow>) -> Self {
        Self(inflow)
    }

    /// Whether nothing more comes.
    pub fn is_end_stream(&self) -> bool {
        let state = self.0.state.borrow();
        state.end == End::Done && state.queue.is_empty() && state.trailers.is_none()
    }

    /// Bytes that are left, where the client said it.
    pub fn length(&self) -> Option<u64> {
        let state = self.0.state.borrow();
        state.announced.map(|announced| announced + state.queue.len() as u64)
    }

    /// The next piece, or the trailers behind the last one.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let state = &mut *self.0.state.borrow_mut();
        if state.end == End::Broken {
            return Poll::Ready(Some(Err(Broken)));
        }
        if !state.queue.is_empty() {
            let data = state.queue.split().freeze();
            state.taken += data.len();
            if state.taken >= self.0.told_at {
                self.0.owner.wake_by_ref();
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if state.end == End::Done {
            return Poll::Ready(state.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        state.reader = Some(cx.waker().clone());
        if state.expects {
            self.0.owner.wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        let state = &mut *self.0.state.borrow_mut();
        state.abandoned = true;
        state.taken += state.queue.len();
        (state.queue, state.reader) = (BytesMut::new(), None);
        // The other streams of the connection share its window.
        self.0.owner.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &mut StreamBody) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        body.poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    fn data(body: &mut StreamBody) -> Bytes {
        match read(body) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().expect("data"),
            other => panic!("{other:?}"),
        }
    }

    fn body(length: Option<u64>) -> (Rc<Inflow>, StreamBody) {
        let inflow = Inflow::new(length, false, 100, Waker::noop().clone());
        (Rc::clone(&inflow), StreamBody::new(inflow))
    }

    #[test]
    fn pieces_are_joined_until_they_are_taken() {
        let (inflow, mut body) = body(Some(5));
        assert!(read(&mut body).is_pending());
        assert_eq!((inflow.data(b"ab"), inflow.data(b"cd")), (Ok(()), Ok(())));
        assert_eq!((body.length(), inflow.taken()), (Some(5), 0));
        assert_eq!(data(&mut body), "abcd");
        assert_eq!((body.length(), inflow.taken(), inflow.taken()), (Some(1), 4, 0));
        assert_eq!(inflow.end(None), Err(WrongLength));
        assert_eq!(inflow.data(b"xy"), Err(WrongLength));
    }

    #[test]
    fn trailers_come_behind_the_last_piece() {
        let (inflow, mut body) = body(None);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", 0.into());
        assert_eq!((inflow.data(b"x"), inflow.end(Some(trailers))), (Ok(()), Ok(())));
        assert_eq!(data(&mut body), "x");
        assert!(!body.is_end_stream());
        let Poll::Ready(Some(Ok(frame))) = read(&mut body) else { panic!("no trailers") };
        assert_eq!(frame.trailers_ref().map(HeaderMap::len), Some(1));
        assert!(body.is_end_stream() && matches!(read(&mut body), Poll::Ready(None)));
    }

    #[test]
    fn a_body_that_was_cut_is_never_whole_but_one_that_ended_stays() {
        let (inflow, mut cut) = body(None);
        assert_eq!(inflow.data(b"x"), Ok(()));
        inflow.cut();
        assert!(matches!(read(&mut cut), Poll::Ready(Some(Err(Broken)))));
        let (inflow, mut whole) = body(None);
        assert_eq!((inflow.data(b"x"), inflow.end(None)), (Ok(()), Ok(())));
        inflow.cut();
        assert_eq!(data(&mut whole), "x");
    }

    #[test]
    fn what_nobody_reads_is_not_kept_and_its_room_is_free() {
        let (inflow, body) = body(None);
        assert_eq!(inflow.data(b"abc"), Ok(()));
        drop(body);
        assert_eq!(inflow.taken(), 3);
        assert_eq!(inflow.data(b"de"), Ok(()));
        assert_eq!((inflow.taken(), inflow.state.borrow().queue.capacity()), (2, 0));
    }

    #[test]
    fn a_client_is_asked_for_its_body_once_when_somebody_wants_it() {
        let inflow = Inflow::new(None, true, 100, Waker::noop().clone());
        let mut body = StreamBody::new(Rc::clone(&inflow));
        assert!(!inflow.invites());
        assert!(read(&mut body).is_pending());
        assert!(inflow.invites() && !inflow.invites());
    }
}
