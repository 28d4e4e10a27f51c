//! Postgres' `numeric` from its binary form.

use bytes::{BufMut, BytesMut};

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;

/// Digits of each group.
const GROUP: usize = 4;

/// None if the bytes are not those of a `numeric`.
pub(super) fn write(value: &[u8], out: &mut BytesMut) -> Option<()> {
    let (head, digits) = value.split_first_chunk::<8>()?;
    let [c0, c1, w0, w1, s0, s1, d0, d1] = *head;
    let count = usize::from(u16::from_be_bytes([c0, c1]));
    let weight = i16::from_be_bytes([w0, w1]);
    let scale = usize::from(u16::from_be_bytes([d0, d1]));
    let sign: &[u8] = match u16::from_be_bytes([s0, s1]) {
        POSITIVE => b"",
        NEGATIVE => b"-",
        NAN => b"\"NaN\"",
        INFINITY => b"\"Infinity\"",
        NEGATIVE_INFINITY => b"\"-Infinity\"",
        _ => return None,
    };
    out.put_slice(sign);
    if sign.len() > 1 {
        return Some(());
    }
    (digits.len() == 2 * count).then_some(())?;
    // Groups that are not there are zero: before the first one, and behind the last.
    let group = |position: i32| {
        let index = usize::try_from(i32::from(weight) - position).ok();
        let bytes = index.and_then(|index| digits.get(2 * index..2 * index + 2));
        bytes.map_or(0, |bytes| bytes.iter().fold(0, |all, byte| all << 8 | u16::from(*byte)))
    };
    let mut buffer = itoa::Buffer::new();
    out.put_slice(buffer.format(group(i32::from(weight).max(0))).as_bytes());
    for position in (0..i32::from(weight)).rev() {
        put_group(group(position), GROUP, out);
    }
    if scale > 0 {
        out.put_u8(b'.');
    }
    let mut left = scale;
    let mut position = -1;
    while left > 0 {
        put_group(group(position), left.min(GROUP), out);
        left = left.saturating_sub(GROUP);
        position -= 1;
    }
    Some(())
}

/// The first so many of a group's four digits.
fn put_group(group: u16, digits: usize, out: &mut BytesMut) {
    let all = [group / 1000 % 10, group / 100 % 10, group / 10 % 10, group % 10];
    out.extend(all.iter().take(digits).map(|digit| b'0' + u8::try_from(*digit).unwrap_or_default()));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `digits` of weight `weight`, and so on, as Postgres sends them.
    fn written(digits: &[u16], weight: i16, sign: u16, scale: u16) -> Option<String> {
        let mut value = Vec::new();
        value.put_u16(u16::try_from(digits.len()).ok()?);
        value.put_i16(weight);
        value.put_u16(sign);
        value.put_u16(scale);
        digits.iter().for_each(|digit| value.put_u16(*digit));
        let mut out = BytesMut::new();
        write(&value, &mut out)?;
        Some(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn groups_become_digits() {
        assert_eq!(written(&[], 0, POSITIVE, 0).as_deref(), Some("0"));
        assert_eq!(written(&[], 0, POSITIVE, 2).as_deref(), Some("0.00"));
        assert_eq!(written(&[1, 2345, 6700], 1, NEGATIVE, 2).as_deref(), Some("-12345.67"));
        assert_eq!(written(&[12], 2, POSITIVE, 0).as_deref(), Some("1200000000"));
        assert_eq!(written(&[5], -2, POSITIVE, 9).as_deref(), Some("0.000000050"));
        assert_eq!(written(&[], 0, NAN, 0).as_deref(), Some("\"NaN\""));
        assert_eq!(written(&[1], 0, 7, 0), None);
        assert_eq!(write(&[0, 1, 0, 0, 0, 0, 0, 0], &mut BytesMut::new()), None);
        assert_eq!(write(&[0], &mut BytesMut::new()), None);
    }
}
