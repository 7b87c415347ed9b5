//! The words of `gateway.yaml` and the domain values they stand for.

use super::containers::Words;
use super::raw::{BalanceWord, HashWord, LinkRelation};
use super::tls::{ClientCertificates, MinVersion};
use super::{LogFormat, LogRequests};
use crate::domain::{
    api::{AfterSunset, Charset, NoTransform, OnConflict, OnUnknown, Signed, Unlisted, Untyped},
    lifecycle::{Phase, Status},
    upstream::Protocol,
};

macro_rules! words {
    ($type:ident: $($word:literal => $value:ident),+) => {
        impl Words for $type {
            const NAME: &'static str = stringify!($type);
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $type::$value)),+];
        }
    };
}

words!(LogFormat: "json" => Json, "text" => Text);
words!(LogRequests: "all" => All, "errors" => Errors, "off" => Off);
words!(OnConflict: "precedence" => Precedence, "reject" => Reject);
words!(OnUnknown: "reject" => Reject, "default" => Default);
words!(Untyped: "pass" => Pass, "json" => Json);
words!(NoTransform: "adapt" => Adapt, "bypass" => Bypass, "fail" => Fail);
words!(Charset: "refuse" => Refuse, "transcode" => Transcode);
words!(Signed: "fail" => Fail, "adapt" => Adapt);
words!(Unlisted: "forward" => Forward, "reject" => Reject);
words!(AfterSunset: "gone" => Gone, "redirect" => Redirect, "fall_forward" => FallForward);
words!(ClientCertificates: "required" => Required, "optional" => Optional);
words!(MinVersion: "1.2" => Tls12, "1.3" => Tls13);
words!(BalanceWord: "least_requests" => LeastRequests, "round_robin" => RoundRobin);
words!(HashWord: "client_address" => ClientAddress);
words!(Protocol: "http/1.1" => Http1, "h2" => Http2, "h2c" => Http2Cleartext);
words!(LinkRelation: "deprecation" => Deprecation, "sunset" => Sunset, "successor-version" => SuccessorVersion);
words!(Phase: "announcement" => Announcement, "warning" => Warning, "enforcement" => Enforcement, "sunset" => Sunset);
words!(Status:
    "development" => Development, "alpha" => Alpha, "beta" => Beta, "stable" => Stable,
    "deprecated" => Deprecated, "sunset" => Sunset);
