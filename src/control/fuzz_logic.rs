//! What must hold of messages on the control socket whatever they are. Runs over seeds in the tests, and over
//! everything else in the fuzzer.

use serde::{Serialize, de::DeserializeOwned};

use super::message::{Answer, Request};

/// Takes `data` for a question and for an answer.
///
/// # Panics
/// If what was understood is not understood again in the same way, or not in one line.
pub fn fuzz_message(data: &[u8]) {
    understood::<Request>(data);
    understood::<Answer>(data);
}

fn understood<T>(data: &[u8])
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let Ok(message) = serde_json::from_slice::<T>(data) else { return };
    // What a newer version says is never said by this one.
    let Ok(line) = serde_json::to_vec(&message) else { return };
    assert!(!line.contains(&b'\n'));
    let again = serde_json::from_slice::<T>(&line);
    assert_eq!(again.ok().as_ref(), Some(&message));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        for text in [
            r#"{"request":"status"}"#,
            r#"{"request":"changed","account":"a\nb"}"#,
            r#"{"request":"x","y":[1,{"z":2}]}"#,
            r#"{"answer":"status","version":"1","pid":1,"started":2,"accounts":{"a":{"sessions":3}}}"#,
            r#"{"answer":"reload","changes":["a"],"mistakes":["b"]}"#,
            r#"{"answer":"log"}"#,
            r#"{"answer":"error","text":"\u0000"}"#,
            r#"{"answer":"status","pid":-1}"#,
            "[]",
            "",
        ] {
            fuzz_message(text.as_bytes());
        }
    }
}
