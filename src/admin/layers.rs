//! What surrounds every route of the admin port and knows nothing of any: the only tower stack.

use std::{future::Future, time::Duration};

use http::{HeaderValue, header};
use tower::{BoxError, Service, ServiceBuilder, load_shed::error::Overloaded, service_fn, timeout::error::Elapsed};

use super::reply::Reply;
use crate::problem::Code;

/// Requests answered at once; scrapers and operators are few.
const IN_FLIGHT_MAX: usize = 64;

/// Longer than a reload may take that waits for addresses to become free.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// Puts the layers around `answer`, outermost first. Clones share the limit.
pub(super) fn around<I, F, A>(
    answer: F,
) -> impl Service<I, Response = Reply, Error = BoxError, Future: Send> + Clone + Send
where
    F: FnMut(I) -> A + Clone + Send,
    A: Future<Output = Result<Reply, BoxError>> + Send,
{
    ServiceBuilder::new()
        // Answers 503 where the limit below would make callers wait.
        .load_shed()
        // Bounds the memory of metrics and documents being written.
        .concurrency_limit(IN_FLIGHT_MAX)
        // Innermost, so that time spent by others does not count; gives the place back.
        .timeout(ANSWER_TIME_MAX)
        .service(service_fn(answer))
}

/// What a caller is told when a layer refused.
pub(super) fn refusal(error: &BoxError) -> Reply {
    let busy = |detail: &str| {
        Reply::problem(Code::Overloaded, detail).with(header::RETRY_AFTER, HeaderValue::from_static("1"))
    };
    if error.is::<Overloaded>() {
        busy("the admin port answers as many requests as it may; try again")
    } else if error.is::<Elapsed>() {
        busy("no answer within 60 s; a reload goes on")
    } else {
        Reply::problem(Code::Internal, "the admin port failed")
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin, task::Poll};

    use tower::ServiceExt;

    use super::*;

    fn code(error: BoxError) -> Code {
        match refusal(&error) {
            Reply::Problem(problem, _) => problem.code,
            other => panic!("{other:?}"),
        }
    }

    fn stack<A>(answer: fn() -> A) -> impl Service<(), Response = Reply, Error = BoxError, Future: Send> + Clone + Send
    where
        A: Future<Output = Result<Reply, BoxError>> + Send,
    {
        around(move |()| answer())
    }

    #[tokio::test]
    async fn one_request_too_many_is_refused_and_does_not_wait() {
        let stack = stack(std::future::pending);
        let mut waiting: Vec<_> = (0..IN_FLIGHT_MAX).map(|_| Box::pin(stack.clone().oneshot(()))).collect();
        poll_fn(|context| {
            assert!(waiting.iter_mut().all(|answer| answer.as_mut().poll(context).is_pending()));
            Poll::Ready(())
        })
        .await;
        let error = stack.clone().oneshot(()).await.expect_err("the limit is reached");
        assert!(error.is::<Overloaded>());
        waiting.pop();
        let mut next = pin!(stack.oneshot(()));
        let waits = poll_fn(|context| Poll::Ready(next.as_mut().poll(context).is_pending())).await;
        assert!(waits, "its place is free again");
    }

    #[test]
    fn a_refusal_of_a_layer_is_a_problem() {
        assert_eq!(code(Overloaded::new().into()), Code::Overloaded);
        assert_eq!(code(Elapsed::new().into()), Code::Overloaded);
        assert_eq!(code("something else".into()), Code::Internal);
    }
}
