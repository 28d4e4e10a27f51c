//! What the fuzzers do with what comes from the database.

use db::types::Type;
use db::{Column, Record};
use serde::de::IgnoredAny;

use super::json;
use super::row::Rows;

/// Types that are written here, and one that is not.
const TYPES: [Type; 25] = [
    Type::BOOL,
    Type::INT2,
    Type::INT4,
    Type::INT8,
    Type::NUMERIC,
    Type::DATE,
    Type::TIMESTAMP,
    Type::TIMESTAMPTZ,
    Type::TEXT,
    Type::VARCHAR,
    Type::UUID,
    Type::JSON,
    Type::JSONB,
    Type::POINT,
    Type::BPCHAR,
    Type::BOOL_ARRAY,
    Type::INT4_ARRAY,
    Type::NUMERIC_ARRAY,
    Type::DATE_ARRAY,
    Type::TIMESTAMP_ARRAY,
    Type::TEXT_ARRAY,
    Type::VARCHAR_ARRAY,
    Type::UUID_ARRAY,
    Type::JSON_ARRAY,
    Type::JSONB_ARRAY,
];

/// The length of no value at all.
const NULL: u8 = 255;

/// Rows of any bytes. The first says how many columns there are, the next which; then come values,
/// each after its length.
pub fn row(data: &[u8]) {
    let Some((width, data)) = data.split_first() else { return };
    let Some((kinds, mut rest)) = data.split_at_checked(usize::from(width % 8) + 1) else { return };
    let kinds: Vec<_> = kinds.iter().filter_map(|kind| TYPES.get(usize::from(kind & 31))).collect();
    let columns: Vec<_> =
        kinds.iter().map(|kind| Column { name: kind.name().into(), kind: kind.oid() }).collect();
    let mut rows = Vec::new();
    while !rest.is_empty() && !columns.is_empty() {
        let mut wire = Vec::new();
        for _ in &columns {
            let Some((length, behind)) = rest.split_first() else { break };
            rest = behind;
            if *length == NULL {
                wire.extend((-1_i32).to_be_bytes());
                continue;
            }
            let (value, behind) = rest.split_at(usize::from(*length).min(rest.len()));
            rest = behind;
            wire.extend(u32::try_from(value.len()).unwrap_or_default().to_be_bytes());
            wire.extend(value);
        }
        rows.push(Record::from_wire(wire.into()));
    }
    rows.push(Record::from_wire(bytes::Bytes::copy_from_slice(rest)));
    for row in &rows {
        let _ = (Rows::read(Some(row)), Rows::said(Some(row)));
    }
    // JSON is passed on as it is, and digits are those that the database has.
    let is_ours = kinds.iter().all(|kind| !["json", "numeric"].iter().any(|name| kind.name().contains(name)));
    for utc in [true, false] {
        let Some(written) = json::array(&columns, &rows, utc) else { continue };
        if is_ours && std::str::from_utf8(&written).is_ok() {
            let parsed = serde_json::from_slice::<IgnoredAny>(&written);
            assert!(parsed.is_ok(), "{parsed:?}: {}", String::from_utf8_lossy(&written));
        }
    }
}
