//! The one function through which the database reads its keys.

use std::path::Path;

use db::{Session, literal};

use crate::{Key, StartError};

const IS_FOREIGN: &str = "select from pg_catalog.pg_extension where extname = 'supabase_vault'";

/// Makes `vault._keys()` read `path`, and tries it.
pub(crate) async fn install(session: &mut Session, path: &Path) -> Result<Key, StartError> {
    if session.query_opt(IS_FOREIGN, &[]).await?.is_some() {
        return Ok(Key::Foreign);
    }
    let Some(path) = path.to_str().filter(|path| path.starts_with('/') && !path.contains(char::is_control))
    else {
        return Err(StartError::KeyPath(path.display().to_string()));
    };
    session.batch(&definition(path)).await?;
    match session.query("select vault._keys() is not null", &[]).await {
        Ok(_) => Ok(Key::Readable),
        Err(error) => match error.server() {
            Some(server) => {
                Ok(Key::Unreadable(server.detail.clone().unwrap_or_else(|| server.message.clone())))
            }
            None => Err(error.into()),
        },
    }
}

/// The statement, with the path as a literal of the function's text. What the file system says about the path is kept
/// from the callers, who only read and write secrets; the server's log has it.
fn definition(path: &str) -> String {
    let body = format!(
        "
declare
  content text;
  keys text[];
begin
  begin
    content := pg_catalog.pg_read_file({path});
  exception when others then
    if session_user in (select rolname from pg_catalog.pg_roles where rolsuper) then
      raise exception 'vault: the database server cannot read the key file'
        using errcode = 'config_file_error', detail = sqlerrm;
    end if;
    raise exception 'vault: the database server cannot read the key file' using errcode = 'config_file_error';
  end;
  keys := pg_catalog.regexp_split_to_array(pg_catalog.btrim(content, E' \\t\\r\\n'), '\\s+');
  if pg_catalog.cardinality(keys) > 2
    or exists (select from pg_catalog.unnest(keys) as each (key) where each.key !~ '^[0-9a-fA-F]{{64}}$')
  then
    raise exception 'vault: the key file does not hold 64 hex digits' using errcode = 'config_file_error';
  end if;
  return keys;
end ",
        path = literal(path)
    );
    format!(
        "create or replace function vault._keys() returns text[]
           language plpgsql stable security definer set search_path = '' as {body};
         alter function vault._keys() owner to supabase_admin;
         revoke all on function vault._keys() from public;",
        body = literal(&body)
    )
}
