//! Keys and hand-made tokens that several tests use.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt::KeySet;
use serde_json::{Map, Value};

pub const SECRET: &str = "a secret for tests, longer than thirty-two bytes";
pub const NOW: i64 = 1_800_000_000;

/// Made for these tests.
pub const RSA: &str = r#"{
  "kty": "RSA",
  "kid": "rsa",
  "alg": "RS256",
  "use": "sig",
  "key_ops": [
    "sign",
    "verify"
  ],
  "n": "uzGdTBhGz4f_Y8-wLe_Cjalegn60U33ORJNmc4Asjw4eLM1kPmTTRaR_IEQ_eS72AnA7Fk2MRXXm5-3XsB2R4thnSzLmeLSRF--3jtzRdZKLOLMYthKCCKr8SLhwx6zgDBxU56lCdIhjNcokDqviJOFzerbUdg5FcyK7-FvJoJmFHme3efpAEKmoZg7Vf1lZKQlOqsHyn5FSLc81q5EF5rzc6HCVuWEK1HPyAcGF2vmHFlgYCRAvsOUkgmKEs1BBm1TsZLNYuGGxiHJDjpiaQZYf_oAm55lCRaiKd5BA1HWC3znR85MnNok44sOqPV7F8xSk-_LFRj_yU9VmU2x4yw",
  "e": "AQAB",
  "d": "EsTu7oDRT3YQPkaboIIq9z-gDs872dKXmoT5tPiz6bodfhowBBjhnYODYvhaMZaVqyPsAMNQyRbWdV3XORJAnPFcK2GUqKNY7atRs9zh5vsvw2_NuVUnaE1rU11O-EPAs-YpVeXA7eSjp0fij_1dr5tSvrSonpe1Zfh5xsq-mkAY4cQYtAkTLjbfLgfBQoE4xUM50uUEqm4S2AG1pSTYM3gNCdG8IL_kTRle-t-1kYlX9ZbiXmWZsoS4ZBEY_S0kYqEx9sPeD9M97f0APx4-Ouiqm7-SUsup2BzlKcGBoPaygG3yZvltqFWz-E3CDoLJlwdugg1d1v-FdqGpw0w0VQ",
  "p": "9SPITftgbFJXsfYOP7f8coJp03UBUnoCeqfz463_wzIZN9ipB9UlO1dlPN4RhZ5xMyjtnXe9VglTPDOipplMJynuJUUsRNFIttqQvbWEz648kczhirV19hFC3pxLgXfjpKLqLzYlvKSrp8jYLibW68zsyx7ugwWfMRAj8EP-7B0",
  "q": "w3ylaAWgDvlzMrCi4tc4NGlrg6wTA1esuZzpTOE001nqYR4ItQuFp09iqL2_D3qdmwj1efCcG3GSHmcXnKrYFAlpqd-plp55cUWI0bOArbVOShXf2WDREJGOWi54SyTzcKDsHGITy2pyAtvK1jhTjbHJfJQwfKY-FQZa88_c1Ac",
  "dp": "AhGIOig52xAiz0ydOCpsRecVz4P4O-LtrG1IYI5yTwpYLiF0460HwGVvZEEXcsIwgFcDEkYVYel4O1TQNYmrm9T9vnDD-9ysOWbEu-URNtNojW5mJM59LVNd9hTpijEhyZzaTwWs8deN3z-Rm2oWfCzhfqFHL_HXMwnI09kvCH0",
  "dq": "Ev6pk9H4G3xhlStUqHYBIBaeO80ci9aZEfANO0smtuKlw4oHjo_wDLHKBFtrlTV02vuj3pVilcgTSqD5yl9PX6MKgVcaQ2hipH79LGMkvbxAPzKg7Z5asiFyk5CwX5zXiroYNynQgpN1QJHaw7X1aG8-BLzheTsuDRzw-X_ZFUE",
  "qi": "iGpJ2g6n9awE-1TdHzU-6A5E6jHtcLxGz474eKLjYV7qFjU1BCcPBQ-hK-KCDyDTyN3w9EjQS_ttK1sbVoIpk1sdZlundiH1d6J-N5ENngJs5KAmhMU6m4z6xc2tRJwzpaim0TtgRkRoGo6lfWuGOf7aL6ARYnlGW3nvY1j-NmQ"
}"#;

/// RFC 7515, A.3, with a kid.
pub const EC: &str = r#"{
  "kty": "EC", "crv": "P-256", "kid": "ec", "alg": "ES256", "use": "sig", "key_ops": ["sign", "verify"],
  "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
  "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
  "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
}"#;

/// RFC 8037, A.1, with a kid.
pub const ED: &str = r#"{
  "kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA", "use": "sig", "key_ops": ["sign", "verify"],
  "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
  "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
}"#;

pub fn keys() -> KeySet {
    KeySet::from_secret(SECRET)
}

pub fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of any header and payload text, correctly signed with the bytes of a secret.
pub fn forge(header: &str, payload: &str, secret: &[u8]) -> String {
    let message = format!("{}.{}", b64(header), b64(payload));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    format!("{message}.{}", b64(hmac::sign(&key, message.as_bytes())))
}

/// A correctly signed HS256 token.
pub fn token(payload: &str) -> String {
    forge(r#"{"alg":"HS256"}"#, payload, SECRET.as_bytes())
}
