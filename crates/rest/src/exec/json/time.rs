//! Postgres' dates and times from their binary form, as they stand in JSON: ISO 8601.
//!
//! Years that need a sign or an era, and infinity, are left to the database.

use bytes::{BufMut, BytesMut};

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400 * MICROS;

/// Days from 0000-03-01 to 2000-01-01, where Postgres begins to count.
const EPOCH: i64 = 730_425;

/// Days of 400 years, after which the calendar repeats.
const ERA: i64 = 146_097;

/// `date`: days.
pub(super) fn date(value: &[u8], out: &mut BytesMut) -> Option<()> {
    out.put_u8(b'"');
    put_date(i64::from(i32::from_be_bytes(value.try_into().ok()?)), out)?;
    out.put_u8(b'"');
    Some(())
}

/// `timestamp`: microseconds.
pub(super) fn timestamp(value: &[u8], out: &mut BytesMut) -> Option<()> {
    put_timestamp(value, b"\"", out)
}

/// `timestamptz`, for sessions in UTC: microseconds.
pub(super) fn timestamp_in_utc(value: &[u8], out: &mut BytesMut) -> Option<()> {
    put_timestamp(value, b"+00:00\"", out)
}

fn put_timestamp(value: &[u8], end: &[u8], out: &mut BytesMut) -> Option<()> {
    let micros = i64::from_be_bytes(value.try_into().ok()?);
    out.put_u8(b'"');
    put_date(micros.div_euclid(DAY), out)?;
    let micros = micros.rem_euclid(DAY);
    let seconds = micros / MICROS;
    out.put_u8(b'T');
    put_digits(seconds / 3600, 2, out);
    out.put_u8(b':');
    put_digits(seconds / 60 % 60, 2, out);
    out.put_u8(b':');
    put_digits(seconds % 60, 2, out);
    let mut fraction = micros % MICROS;
    if fraction > 0 {
        let mut digits = 6;
        while fraction % 10 == 0 {
            fraction /= 10;
            digits -= 1;
        }
        out.put_u8(b'.');
        put_digits(fraction, digits, out);
    }
    out.put_slice(end);
    Some(())
}

/// By the calendar that Postgres uses for all times: years begin in March, so that the day that is
/// sometimes missing is the last one.
fn put_date(days: i64, out: &mut BytesMut) -> Option<()> {
    let days = days.checked_add(EPOCH)?;
    let era = days.div_euclid(ERA);
    let day_of_era = days.rem_euclid(ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / (ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + 400 * era + i64::from(month <= 2);
    (1..=9999).contains(&year).then_some(())?;
    put_digits(year, 4, out);
    out.put_u8(b'-');
    put_digits(month, 2, out);
    out.put_u8(b'-');
    put_digits(day, 2, out);
    Some(())
}

/// A number of so many digits.
fn put_digits(number: i64, digits: u32, out: &mut BytesMut) {
    for place in (0..digits).rev() {
        out.put_u8(b'0' + u8::try_from(number / 10_i64.pow(place) % 10).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut BytesMut) -> Option<()>) -> Option<String> {
        let mut out = BytesMut::new();
        write(&mut out)?;
        Some(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn dates_of_the_calendar() {
        let date = |days: i32| text(|out| date(&days.to_be_bytes(), out));
        assert_eq!(date(0).as_deref(), Some("\"2000-01-01\""));
        assert_eq!(date(59).as_deref(), Some("\"2000-02-29\""));
        assert_eq!(date(-1).as_deref(), Some("\"1999-12-31\""));
        assert_eq!(date(-730_119).as_deref(), Some("\"0001-01-01\""));
        assert_eq!(date(-730_120), None);
        assert_eq!(date(2_921_939).as_deref(), Some("\"9999-12-31\""));
        assert_eq!(date(2_921_940), None);
        assert_eq!(date(i32::MAX), None);
        assert_eq!(date(i32::MIN), None);
    }

    #[test]
    fn times_of_the_day() {
        let at = |micros: i64| text(|out| timestamp_in_utc(&micros.to_be_bytes(), out));
        assert_eq!(at(0).as_deref(), Some("\"2000-01-01T00:00:00+00:00\""));
        assert_eq!(at(-1).as_deref(), Some("\"1999-12-31T23:59:59.999999+00:00\""));
        assert_eq!(at(45_296_700_000).as_deref(), Some("\"2000-01-01T12:34:56.7+00:00\""));
        assert_eq!(at(i64::MAX), None);
        assert_eq!(at(i64::MIN), None);
        assert_eq!(text(|out| timestamp(&[0; 8], out)).as_deref(), Some("\"2000-01-01T00:00:00\""));
        assert_eq!(text(|out| timestamp(&[0; 4], out)), None);
    }
}
