//! `POST /object/list-v2/{bucket}`: objects by the beginning of their names, page by page.

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::call::{Acting, Call};
use crate::error::Error;
use crate::http::{Shared, answer, document, part};
use crate::store::listing::{self, Column, KeyedLine, Line, Stretch};

/// Lines of a page at most, and unless told otherwise.
const MOST: u64 = 1000;

const COLUMNS: [(&str, Column); 3] =
    [("name", Column::Name), ("created_at", Column::CreatedAt), ("updated_at", Column::UpdatedAt)];
const ORDERS: [(&str, bool); 2] = [("asc", false), ("desc", true)];

/// A page.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    has_next: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor_key: Option<String>,
    folders: Vec<T>,
    objects: Vec<T>,
}

/// Where the last page ended, and how it was sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cursor {
    after: String,
    moment: String,
    column: Option<Column>,
    descending: Option<bool>,
}

/// The page.
pub(in crate::http) async fn post(
    service: Shared,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Error> {
    let service = service.into_inner();
    let call = Call::caller(&service, &request, "storage.object.list_v2")?;
    let bucket = part(&request, "bucket")?;
    let body = document::read(&service, &request, payload).await?;
    let prefix = body.text("prefix")?.unwrap_or_default();
    let limit = body.count("limit", 1)?.unwrap_or(MOST).min(MOST);
    let with_folders = body.flag("with_delimiter")?.unwrap_or_default();
    let (mut column, mut descending) = (None, None);
    if let Some(sort) = body.document("sortBy")? {
        sort.require(&["column"])?;
        column = sort.choice("column", &COLUMNS)?;
        descending = sort.choice("order", &ORDERS)?;
    }
    let cursor = body.text("cursor")?.filter(|text| !text.is_empty());
    let cursor = cursor.map(|text| Cursor::read(&text)).transpose()?.unwrap_or_default();
    let stretch = Stretch {
        bucket: &bucket,
        prefix: &prefix,
        limit: limit + 1,
        column: cursor.column.or(column).unwrap_or(Column::Name),
        descending: cursor.descending.or(descending).unwrap_or_default(),
        after: &cursor.after,
        after_moment: &cursor.moment,
    };
    let acting = call.as_caller();
    match with_folders {
        true => page_with_folders(&acting, &stretch, limit).await,
        false => page(&acting, &stretch, limit).await,
    }
}

async fn page(acting: &Acting<'_>, stretch: &Stretch<'_>, limit: u64) -> Result<HttpResponse, Error> {
    let mut lines = listing::flat(acting, stretch).await.map_err(Error::database)?;
    let next = cut(&mut lines, limit, |line| Cursor::behind(stretch, line));
    let key = lines.last().map(|line| line.name.clone());
    Ok(finish(next, key, Vec::new(), lines))
}

async fn page_with_folders(
    acting: &Acting<'_>,
    stretch: &Stretch<'_>,
    limit: u64,
) -> Result<HttpResponse, Error> {
    let mut lines = listing::with_folders(acting, stretch).await.map_err(Error::database)?;
    let is_folder = |line: &KeyedLine| line.line.id.is_none();
    let mut key = None;
    for line in lines.iter_mut().take(usize::try_from(limit).unwrap_or(usize::MAX)) {
        key = Some(line.line.name.clone());
        if is_folder(line) {
            line.line.name.push('/');
        }
    }
    let next = cut(&mut lines, limit, |line| Cursor::behind(stretch, &line.line));
    let (folders, objects) = lines.into_iter().partition(is_folder);
    Ok(finish(next, key, folders, objects))
}

/// Cuts a list down to a page. Where it goes on, if there is more.
fn cut<T>(lines: &mut Vec<T>, limit: u64, behind: impl Fn(&T) -> Cursor) -> Option<Cursor> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if lines.len() <= limit {
        return None;
    }
    lines.truncate(limit);
    lines.last().map(behind)
}

fn finish<T: Serialize>(
    next: Option<Cursor>,
    key: Option<String>,
    folders: Vec<T>,
    objects: Vec<T>,
) -> HttpResponse {
    answer::json(&Page {
        has_next: next.is_some(),
        next_cursor_key: key.filter(|_| next.is_some()),
        next_cursor: next.map(|cursor| cursor.write()),
        folders,
        objects,
    })
}

impl Cursor {
    fn behind(stretch: &Stretch<'_>, line: &Line) -> Self {
        let moment = match stretch.column {
            Column::CreatedAt => line.created_at.clone(),
            Column::UpdatedAt => line.updated_at.clone(),
            Column::Name | Column::LastAccessedAt => None,
        };
        Self {
            after: line.name.clone(),
            moment: moment.unwrap_or_default(),
            column: Some(stretch.column),
            descending: Some(stretch.descending),
        }
    }

    /// Lines of a letter and a value: names have no line breaks.
    fn write(&self) -> String {
        let column = COLUMNS.iter().find(|(_, column)| Some(*column) == self.column).map(|(name, _)| *name);
        let order = ORDERS.iter().find(|(_, order)| Some(*order) == self.descending).map(|(name, _)| *name);
        let values =
            [("l", Some(self.after.as_str())), ("o", order), ("c", column), ("a", Some(&self.moment))];
        let line = |(letter, value): (&str, Option<&str>)| {
            value.filter(|value| !value.is_empty()).map(|value| format!("{letter}:{value}"))
        };
        STANDARD.encode(values.into_iter().filter_map(line).collect::<Vec<_>>().join("\n"))
    }

    fn read(text: &str) -> Result<Self, Error> {
        let refused = || Error::InvalidParameter("Invalid Parameter continuation token".to_owned());
        let bytes = STANDARD.decode(text).map_err(|_| refused())?;
        let text = String::from_utf8(bytes).map_err(|_| refused())?;
        let mut cursor = Self::default();
        for line in text.split('\n') {
            let (letter, value) = line.split_once(':').ok_or_else(refused)?;
            let named =
                |choices: &[(&str, Column)]| choices.iter().find(|(name, _)| *name == value).map(|(_, c)| *c);
            match letter {
                "l" => cursor.after = value.to_owned(),
                "a" => cursor.moment = value.to_owned(),
                "c" => cursor.column = Some(named(&COLUMNS).ok_or_else(refused)?),
                "o" => cursor.descending = Some(value == "desc"),
                _ => return Err(refused()),
            }
        }
        let needs_moment = matches!(cursor.column, Some(Column::CreatedAt | Column::UpdatedAt));
        let is_moment = chrono::DateTime::parse_from_rfc3339(&cursor.moment).is_ok();
        if cursor.after.is_empty() || (needs_moment && !is_moment) {
            return Err(refused());
        }
        Ok(cursor)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor {
            after: "a/b:c".to_owned(),
            moment: "2026-01-01T00:00:00.123Z".to_owned(),
            column: Some(Column::CreatedAt),
            descending: Some(true),
        };
        assert_eq!(Cursor::read(&cursor.write()).unwrap(), cursor);
        for bad in ["", "x", "%%%", "bDo=", "Yzpub25l", "bDphCmM6Y3JlYXRlZF9hdA=="] {
            assert!(Cursor::read(bad).is_err(), "{bad}");
        }
    }
}
