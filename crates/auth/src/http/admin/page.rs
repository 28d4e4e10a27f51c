//! Lists in pages, and where the next page is.

use actix_web::HttpRequest;
use actix_web::HttpResponseBuilder;
use url::form_urlencoded;

use super::super::call::Call;
use crate::error::Error;

const DEFAULT: u64 = 50;
const MAX: u64 = 1000;

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    number: u64,
    size: u64,
}

impl Page {
    pub(crate) fn of(call: &Call) -> Result<Self, Error> {
        Self::parse(call.param("page"), call.param("per_page"))
    }

    /// As [`Page::of`], but a client that says nothing of pages gets as much as there may be in one.
    pub(crate) fn wide(call: &Call) -> Result<Self, Error> {
        let page = Self::of(call)?;
        let is_asked = !call.param("page").is_empty() || !call.param("per_page").is_empty();
        Ok(if is_asked { page } else { Self { size: MAX, ..page } })
    }

    /// Zero counts as not given.
    fn parse(number: &str, size: &str) -> Result<Self, Error> {
        let read = |text: &str, default: u64| match text {
            "" => Ok(default),
            text => text.parse::<u64>().map_err(|_| {
                Error::invalid(format!(
                    "Bad Pagination Parameters: strconv.ParseUint: parsing \"{text}\": invalid syntax"
                ))
            }),
        };
        let or_default = |value: u64, default| if value == 0 { default } else { value };
        Ok(Self {
            number: or_default(read(number, 1)?, 1),
            size: or_default(read(size, DEFAULT)?, DEFAULT).min(MAX),
        })
    }

    pub(crate) fn limit(self) -> i64 {
        i64::try_from(self.size).unwrap_or(i64::MAX)
    }

    pub(crate) fn offset(self) -> i64 {
        i64::try_from((self.number - 1).saturating_mul(self.size)).unwrap_or(i64::MAX)
    }

    /// Says how many there are, and where the next and the last page are.
    pub(crate) fn announce(self, request: &HttpRequest, total: i64, response: &mut HttpResponseBuilder) {
        let pages = total.unsigned_abs().div_ceil(self.size);
        let at = |number: u64, relation: &str| {
            let pairs = form_urlencoded::parse(request.query_string().as_bytes());
            let kept: Vec<_> = pairs.filter(|(key, _)| key != "page" && key != "apikey").collect();
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("page", &number.to_string())
                .extend_pairs(kept)
                .finish();
            format!("<{}?{query}>; rel=\"{relation}\"", request.path())
        };
        let mut links = Vec::new();
        if self.number < pages {
            links.push(at(self.number + 1, "next"));
        }
        links.push(at(pages, "last"));
        response.insert_header(("Link", links.join(", ")));
        response.insert_header(("X-Total-Count", total.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        let check = |number: &str, size: &str, expected: Option<(i64, i64)>| {
            let page = Page::parse(number, size).ok().map(|page| (page.limit(), page.offset()));
            assert_eq!(page, expected, "{number} {size}");
        };
        check("", "", Some((50, 0)));
        check("0", "0", Some((50, 0)));
        check("3", "10", Some((10, 20)));
        check("1", "5000", Some((1000, 0)));
        check("18446744073709551615", "1000", Some((1000, i64::MAX)));
        check("-1", "", None);
        check("1", "x", None);
        check("1; drop table auth.users", "", None);
    }
}
