//! Opening and closing.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use gamemesh_repository::{
    Epoch, Incarnation, LeaseTable, LogError, LogName, Position, StoreSecret,
};
use parking_lot::Mutex;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::error::{OpenError, log_error};
use crate::lock::{OwnerLock, beside};
use crate::options::path_of;
use crate::readers::Readers;
use crate::writer::{Queue, Writer, lane_head, queue};
use crate::{Migrated, SqliteOptions, checkpoint, connect, schema};

const INSERT_STORE: &str =
    "INSERT INTO store (one, incarnation, created_us, secret) VALUES (1, ?1, ?2, ?3)";

/// One log in one SQLite file.
pub struct SqliteStore {
    pub(crate) path: PathBuf,
    pub(crate) incarnation: Incarnation,
    pub(crate) secret: StoreSecret,
    pub(crate) readers: Readers,
    pub(crate) tail: watch::Receiver<Position>,
    /// Held while a lane's epoch is raised, so that the next owner is told in its turn.
    pub(crate) leases: tokio::sync::Mutex<LeaseTable>,
    /// Absent in a store that is only read.
    pub(crate) queue: Option<Queue>,
    closing: Mutex<Option<Closing>>,
}

struct Closing {
    tell: oneshot::Sender<()>,
    writer: JoinHandle<()>,
    checkpointer: JoinHandle<()>,
}

/// Brings a store to the current schema, making it if it is absent.
pub async fn migrate(url: &str, log: LogName) -> Result<Migrated, OpenError> {
    let options = SqliteOptions { log, ..SqliteOptions::default() };
    let owned = Owned::open(&path_of(url, log)?, &options).await?;
    let path = owned.path;
    owned.connection.close().await.map_err(|error| failed(&path, error))?;
    Ok(owned.migrated)
}

impl SqliteStore {
    /// Opens a store, making it or bringing it to the current schema as needed. Where the file or
    /// its folder cannot be written, or the options say so, the store is only read.
    pub async fn open(url: &str, options: SqliteOptions) -> Result<Arc<Self>, OpenError> {
        let path = path_of(url, options.log)?;
        if options.read_only {
            return Self::read(path, &options).await;
        }
        match Owned::open(&path, &options).await {
            Ok(owned) => Self::own(owned, &options).await,
            Err(OpenError::Io { path: denied, source })
                if matches!(
                    source.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
                ) && path.exists() =>
            {
                let denied = denied.display();
                tracing::warn!(%denied, %source, "the store is only read");
                Self::read(path, &options).await
            }
            Err(error) => Err(error),
        }
    }

    /// Whether writes are refused.
    pub fn is_read_only(&self) -> bool {
        self.queue.is_none()
    }

    /// Refuses new writes, finishes those that wait, and gives up the file. Without it, dropping
    /// the store does the same in the background.
    pub async fn close(&self) {
        let closing = self.closing.lock().take();
        self.readers.close().await;
        if let Some(Closing { tell, writer, checkpointer }) = closing {
            let _ = tell.send(());
            for task in [writer, checkpointer] {
                if let Err(error) = task.await {
                    tracing::error!(%error, "a task of the store ended badly");
                }
            }
        }
    }

    async fn own(owned: Owned, options: &SqliteOptions) -> Result<Arc<Self>, OpenError> {
        let Owned { path, mut connection, lock, .. } = owned;
        let (incarnation, secret) = identity(&mut connection, &path).await?;
        let head = lane_head::load(&mut connection)
            .await
            .map_err(|source| OpenError::Log { path: path.clone(), source })?;
        let (tail_sender, tail) = watch::channel(head.last_position);
        let leases = LeaseTable::new([head.owner_epoch]);
        let (batches, batches_seen) = watch::channel(0);
        let (tell, told) = oneshot::channel();
        let (queue, inbox) = queue(options.queue_max, told);
        let checkpoint_due = Arc::new(AtomicBool::new(false));
        let checkpointer = tokio::spawn(checkpoint::run(
            connect::writer(&path, options.file_bytes_max),
            batches_seen,
            checkpoint_due.clone(),
        ));
        let writer = Writer {
            path: path.clone(),
            file_bytes_max: options.file_bytes_max,
            connection: Some(connection),
            head,
            inbox,
            tail: tail_sender,
            batches,
            checkpoint_due,
            lock,
        };
        let writer = tokio::spawn(writer.run());
        Ok(Arc::new(Self {
            incarnation,
            secret,
            readers: Readers::new(options, connect::reader(&path, false)),
            tail,
            leases: tokio::sync::Mutex::new(leases),
            queue: Some(queue),
            closing: Mutex::new(Some(Closing { tell, writer, checkpointer })),
            path,
        }))
    }

    async fn read(path: PathBuf, options: &SqliteOptions) -> Result<Arc<Self>, OpenError> {
        if !path.exists() {
            return Err(OpenError::Missing { path });
        }
        let found = schema::inspect(&path, options.log).await?;
        let known = schema::schema_version(options.log);
        if found < known {
            return Err(OpenError::Older { path, found, known });
        }
        let (mut connection, connect) = first_reader(&path).await?;
        let (incarnation, secret) = identity(&mut connection, &path).await?;
        let (last, owner_epoch): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT coalesce(max(position), 0) FROM event), (SELECT owner_epoch FROM lane)",
        )
        .fetch_one(&mut connection)
        .await
        .map_err(|error| failed(&path, error))?;
        connection.close().await.map_err(|error| failed(&path, error))?;
        let (_, tail) = watch::channel(last as Position);
        Ok(Arc::new(Self {
            incarnation,
            secret,
            readers: Readers::new(options, connect),
            tail,
            leases: tokio::sync::Mutex::new(LeaseTable::new([owner_epoch as Epoch])),
            queue: None,
            closing: Mutex::new(None),
            path,
        }))
    }
}

/// A store whose lock is held, of the current schema.
struct Owned {
    path: PathBuf,
    connection: SqliteConnection,
    migrated: Migrated,
    lock: OwnerLock,
}

impl Owned {
    async fn open(path: &Path, options: &SqliteOptions) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: path.to_owned(), source };
        let folder = folder_of(path);
        std::fs::create_dir_all(&folder).map_err(io)?;
        let from = schema::inspect(path, options.log).await?;
        let lock = OwnerLock::take(path)?;
        if path.exists() {
            // Asked of the system, since SQLite would open the file read-only without a word.
            File::options().write(true).open(path).map_err(io)?;
        }
        let failed = |error| failed(path, error);
        let mut connection = connect::connect(&connect::writer(path, options.file_bytes_max))
            .await
            .map_err(failed)?;
        let migrated = schema::migrate(&mut connection, options.log, from).await.map_err(failed)?;
        if from == 0 {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            sqlx::query(INSERT_STORE)
                .bind(&Uuid::new_v4().as_bytes()[..])
                .bind(now.as_micros() as i64)
                .bind(&StoreSecret::generate().expose()[..])
                .execute(&mut connection)
                .await
                .map_err(failed)?;
            sync_folders(&folder).map_err(io)?;
        }
        Ok(Self { path: path.to_owned(), connection, migrated, lock })
    }
}

/// A new file is on the disk only when its folder's entry is, and so on upward for new folders.
fn sync_folders(folder: &Path) -> std::io::Result<()> {
    let folder = folder.canonicalize()?;
    for folder in folder.ancestors() {
        match File::open(folder).and_then(|folder| folder.sync_all()) {
            Ok(()) => {}
            // Folders above our own may not be ours to open.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A reading connection that works. On a medium where nothing can be made, SQLite cannot make the
/// index of the write-ahead log; without such a log the file can be read as immutable.
async fn first_reader(
    path: &Path,
) -> Result<(SqliteConnection, sqlx::sqlite::SqliteConnectOptions), OpenError> {
    let has_log = std::fs::metadata(beside(path, "-wal")).is_ok_and(|file| file.len() > 0);
    let mut last = None;
    for immutable in [false, true] {
        if immutable && has_log {
            break;
        }
        let options = connect::reader(path, immutable);
        let opened = async {
            let mut connection = connect::connect(&options).await?;
            sqlx::query("SELECT one FROM store").fetch_one(&mut connection).await?;
            Ok(connection)
        };
        match opened.await {
            Ok(connection) => return Ok((connection, options)),
            Err(error) => last = Some(error),
        }
    }
    Err(failed(path, last.unwrap_or(sqlx::Error::PoolClosed)))
}

async fn identity(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(Incarnation, StoreSecret), OpenError> {
    let (id, secret): (Vec<u8>, Vec<u8>) = sqlx::query_as("SELECT incarnation, secret FROM store")
        .fetch_one(connection)
        .await
        .map_err(|error| failed(path, error))?;
    let identity = id.try_into().map(Incarnation).ok().zip(secret.try_into().ok());
    let (incarnation, secret) = identity.ok_or_else(|| OpenError::Log {
        path: path.to_owned(),
        source: LogError::Corrupted("the identity of the store".to_owned()),
    })?;
    Ok((incarnation, StoreSecret::new(secret)))
}

fn failed(path: &Path, error: sqlx::Error) -> OpenError {
    OpenError::Log { path: path.to_owned(), source: log_error(error) }
}
