//! Logs in an object store that speaks S3. The only place that knows of HTTP and of asynchronous code: a thread that
//! reads an object waits for it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};
use object_store::{ClientConfigKey, ObjectStoreExt as _, RetryConfig};
use tokio::runtime::Runtime;

use super::source::Reading;
use crate::error::{Error, Result};

/// What the settings of the environment are called.
const PREFIX: &str = "AWS_";

/// A bucket, and what waits for its answers.
struct Bucket {
    store: AmazonS3,
    runtime: Runtime,
}

/// An object of a bucket.
#[derive(Clone)]
pub(super) struct Object {
    bucket: Arc<Bucket>,
    key: object_store::path::Path,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Object({})", self.key)
    }
}

/// An object that was found.
pub(super) struct Found {
    /// `s3://BUCKET/KEY`.
    pub(super) url: String,
    /// Its size.
    pub(super) bytes: u64,
    pub(super) object: Object,
}

impl Object {
    /// The whole object.
    pub(super) fn read(&self) -> io::Result<Bytes> {
        let Bucket { store, runtime } = &*self.bucket;
        runtime.block_on(async { store.get(&self.key).await?.bytes().await }).map_err(plain)
    }

    /// The first bytes, fewer if the object is shorter.
    pub(super) fn first(&self, bytes: u64) -> io::Result<Bytes> {
        let Bucket { store, runtime } = &*self.bucket;
        runtime.block_on(store.get_range(&self.key, 0..bytes)).map_err(plain)
    }
}

/// The objects whose URL begins with `url`.
///
/// # Errors
/// [`Error::Usage`] for a URL without a bucket and settings that cannot be used, [`Error::Io`] if the bucket cannot be
/// listed.
pub(super) fn list(url: &str, reading: &Reading) -> Result<Vec<Found>> {
    let failed = |error| Error::io("list", Path::new(url), error);
    let (name, prefix) = url.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, ""))).unwrap_or_default();
    if name.is_empty() {
        return Err(Error::Usage(format!("`{url}` names no bucket: write s3://BUCKET/PREFIX")));
    }
    let store = builder(name, &reading.settings).build();
    let store = store.map_err(|error| Error::Usage(format!("`{url}` cannot be read with the settings of the environment: {error}")))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let bucket = Arc::new(Bucket { store, runtime });
    let mut found = Vec::new();
    let mut options = PaginatedListOptions::default();
    loop {
        let page = bucket.runtime.block_on(bucket.store.list_paginated(Some(prefix), options)).map_err(|error| failed(plain(error)))?;
        found.extend(page.result.objects.into_iter().map(|object| Found {
            url: format!("s3://{name}/{}", object.location),
            bytes: object.size,
            object: Object { bucket: Arc::clone(&bucket), key: object.location },
        }));
        match page.page_token {
            None => return Ok(found),
            page_token => options = PaginatedListOptions { page_token, ..PaginatedListOptions::default() },
        }
    }
}

fn builder(bucket: &str, settings: &[(String, String)]) -> AmazonS3Builder {
    // One process, one choice; a second one changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let retry = RetryConfig { max_retries: 5, retry_timeout: Duration::from_secs(60), ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new().with_bucket_name(bucket).with_retry(retry);
    for (name, value) in settings.iter().filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty()) {
        if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            let is_endpoint = matches!(key, AmazonS3ConfigKey::Endpoint | AmazonS3ConfigKey::S3Endpoint);
            if is_endpoint && value.starts_with("http://") {
                builder = builder.with_config(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp), "true");
            }
            if !matches!(key, AmazonS3ConfigKey::Bucket) {
                builder = builder.with_config(key, value);
            }
        }
    }
    builder
}

/// Where the settings of a bucket come from.
const ENVIRONMENT: &str = "credentials, region and endpoint are taken from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION and AWS_ENDPOINT_URL";

/// In one line: what a server answered may have many.
fn plain(error: object_store::Error) -> io::Error {
    let kind = match error {
        object_store::Error::NotFound { .. } => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    let mut text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    if kind == io::ErrorKind::Other {
        text.push_str(&format!("; {ENVIRONMENT}"));
    }
    io::Error::new(kind, text)
}
