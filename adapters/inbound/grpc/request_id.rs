//! What a call goes by: in the audit, in our log, and in the answer to a call that failed, so that
//! whoever is told of a failure can ask for what lies beneath.

use gateway_core::domain::identity::RequestId;
use http::{HeaderName, HeaderValue, Request, Response};
use tonic::Status;

use crate::metrics::RPCS;

const NAME: &str = "x-request-id";
const HEADER: HeaderName = HeaderName::from_static(NAME);
const STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The longest name that a client may give a call.
const LONGEST: usize = 64;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// What the client calls the call, if that is short and plain; else a name of our own.
pub(super) fn of<B>(request: &Request<B>) -> RequestId {
    let given = request.headers().get(HEADER);
    let given = given.and_then(|value| value.to_str().ok());
    let id = match given.filter(|text| is_plain(text)) {
        Some(text) => RequestId::new(text),
        None => RequestId::new(&format!("{:032x}", rand::random::<u128>())),
    };
    let name = request.uri().path().rsplit('/').next();
    // No text of a client's is taken for one.
    id.of_call(RPCS.iter().copied().find(|call| Some(*call) == name))
}

fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(plain)
}

/// Serves the call of this name: what is logged on the way has the name, and so has the answer,
/// if it is an error.
pub(super) async fn serve<B, E>(
    id: RequestId,
    served: impl Future<Output = Result<Response<B>, E>>,
) -> Result<Response<B>, E> {
    let name = HeaderValue::from_str(id.as_str());
    let mut response = CURRENT.scope(id, served).await?;
    let failed = response
        .headers()
        .get(STATUS)
        .is_some_and(|code| code != "0");
    if failed && let Ok(name) = name {
        response.headers_mut().insert(HEADER, name);
    }
    Ok(response)
}

/// What is done for the call of this name, after its answer has begun.
pub(super) async fn within<T>(id: Option<RequestId>, work: impl Future<Output = T>) -> T {
    match id {
        Some(id) => CURRENT.scope(id, work).await,
        None => work.await,
    }
}

/// The name of the call that is being served here, if one is.
pub(super) fn current() -> Option<RequestId> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Puts the name of the call that is being served here into `status`.
pub(super) fn put(status: &mut Status) {
    if let Some(id) = current()
        && let Ok(name) = id.as_str().parse()
    {
        status.metadata_mut().insert(NAME, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str, id: Option<&[u8]>) -> RequestId {
        let mut request = Request::builder().uri(path);
        if let Some(id) = id {
            request = request.header(HEADER, id);
        }
        of(&request.body(()).expect("is a request"))
    }

    #[test]
    fn a_plain_name_is_kept_and_any_other_is_replaced_by_one_of_ours() {
        let path = "/antcode.v1.GatewayService/PollTask";
        let kept = named(path, Some(b"0b3e-4.a_b:c"));
        assert_eq!(
            (kept.as_str(), kept.call()),
            ("0b3e-4.a_b:c", Some("PollTask"))
        );

        let long = [b'a'; LONGEST + 1];
        let mut seen = std::collections::BTreeSet::new();
        for given in [
            None,
            Some(&b""[..]),
            Some(b"a b"),
            Some(b"\x1b["),
            Some(b"\"x"),
            Some(b"\xff"),
            Some(&long),
        ] {
            // What cannot be sent cannot be asked for.
            if given.is_some_and(|given| HeaderValue::from_bytes(given).is_err()) {
                continue;
            }
            let made = named("/antcode.v1.GatewayService/Nonsense", given);
            assert_eq!(made.as_str().len(), 32, "{given:?}");
            assert!(is_plain(made.as_str()) && made.call().is_none(), "{made:?}");
            assert!(seen.insert(made.as_str().to_owned()), "twice");
        }
    }

    #[tokio::test]
    async fn only_an_answer_that_failed_is_given_the_name() {
        for (code, told) in [(None, false), (Some("0"), false), (Some("14"), true)] {
            let answer = async {
                assert_eq!(current().expect("is served").as_str(), "q-1");
                let mut answer = Response::builder();
                if let Some(code) = code {
                    answer = answer.header(STATUS, code);
                }
                Ok::<_, ()>(answer.body(()).expect("is an answer"))
            };
            let answer = serve(RequestId::new("q-1"), answer).await.expect("answers");
            assert_eq!(answer.headers().contains_key(HEADER), told, "{code:?}");
        }
    }
}
