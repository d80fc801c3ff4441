//! What a file of keys must be.

use super::names::set_of;
use super::*;

#[test]
fn a_file_of_no_use_is_refused_and_does_not_show() {
    let public = "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n";
    for (algorithm, file, told) in [
        (
            Algorithm::Hs256,
            b"hunter2\n".to_vec(),
            "32 bytes or more, not 7",
        ),
        (
            Algorithm::Hs512,
            SECRET.as_bytes()[..63].to_vec(),
            "64 bytes",
        ),
        (Algorithm::Rs256, SECRET.into(), "no PEM public key"),
        (Algorithm::Es256, public.into(), "no PEM public key"),
        (
            Algorithm::Hs256,
            b"{\"keys\": 7}".to_vec(),
            "no JSON Web Key Set",
        ),
        (Algorithm::Hs256, set_of(&[]), "no key for the algorithm"),
        (
            Algorithm::EdDsa,
            set_of(&[("a", 'a')]),
            "no key for the algorithm",
        ),
        (
            Algorithm::Hs512,
            set_of(&[("a", 'a')]),
            "64 bytes or more, not 32",
        ),
        (
            Algorithm::Hs256,
            set_of(&[("a", 'a'), ("a", 'b')]),
            "two keys are named \"a\"",
        ),
        // T19: a public key is no secret.
        (Algorithm::Hs256, public.into(), "is no secret"),
    ] {
        let error = Keys::parse(algorithm, &file)
            .expect_err("is refused")
            .to_string();
        assert!(error.contains(told), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
