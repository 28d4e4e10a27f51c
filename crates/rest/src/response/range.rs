//! `Content-Range`, and the status that follows from it.

use actix_web::http::StatusCode;

/// The status of `rows` rows from `lower` on, out of `total` if that is known.
pub(super) fn status(lower: i64, rows: i64, total: Option<i64>) -> StatusCode {
    match total {
        Some(total) if lower > total => StatusCode::RANGE_NOT_SATISFIABLE,
        Some(total) if rows < total => StatusCode::PARTIAL_CONTENT,
        _ => StatusCode::OK,
    }
}

/// The header for `rows` rows from `lower` on.
pub(super) fn of_rows(lower: i64, rows: i64, total: Option<i64>) -> String {
    content_range(lower, lower.saturating_add(rows).saturating_sub(1), total)
}

/// The header for the rows from `lower` to `upper`; none if `upper` is below.
pub(super) fn content_range(lower: i64, upper: i64, total: Option<i64>) -> String {
    let range = if total != Some(0) && lower <= upper { format!("{lower}-{upper}") } else { "*".to_owned() };
    total.map_or_else(|| format!("{range}/*"), |total| format!("{range}/{total}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_statuses() {
        for (lower, rows, total, expected_status, expected_range) in [
            (0, 15, None, 200, "0-14/*"),
            (0, 0, None, 200, "*/*"),
            (0, 15, Some(15), 200, "0-14/15"),
            (0, 2, Some(15), 206, "0-1/15"),
            (5, 10, Some(15), 206, "5-14/15"),
            (0, 0, Some(0), 200, "*/0"),
            (1, 0, Some(0), 416, "*/0"),
            (100, 0, Some(15), 416, "*/15"),
            (i64::MAX, 0, None, 200, "*/*"),
        ] {
            assert_eq!(status(lower, rows, total).as_u16(), expected_status, "{lower} {rows} {total:?}");
            assert_eq!(of_rows(lower, rows, total), expected_range);
        }
    }
}
