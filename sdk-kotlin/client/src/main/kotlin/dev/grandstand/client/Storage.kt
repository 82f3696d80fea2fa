// Where a fan's credential and what waits to be sent are kept between starts.

package dev.grandstand.client

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext
import java.io.Closeable
import java.io.File
import java.io.FileOutputStream
import java.io.IOException
import java.io.RandomAccessFile
import java.lang.ref.WeakReference
import java.util.concurrent.ConcurrentHashMap

/**
 * A place of the application's own: preferences, a database, an encrypted file. Called on background threads only, one call
 * at a time or several. What it throws is taken as "could not": the value is then kept in memory.
 *
 * Clients whose storages are equal are the same fan's.
 */
public interface KeyValueStorage {
    public fun get(key: String): String?

    public fun set(
        key: String,
        value: String,
    )

    public fun remove(key: String)
}

/**
 * A place for the access token alone: a keystore, encrypted preferences, an account of the app's own. It says whose profile there is:
 * where it has no token, a new profile is made. Called on background threads; what it throws fails the call that needed it,
 * so that a keystore that is locked makes no second profile.
 */
public interface TokenStorage {
    public fun load(): String?

    /** Null once the fan signed out. */
    public fun store(token: String?)
}

/** Ends with the process: for tests, and for programs that pass a token each time. */
public class MemoryStorage : KeyValueStorage {
    private val items = ConcurrentHashMap<String, String>()

    override fun get(key: String): String? = items[key]

    override fun set(
        key: String,
        value: String,
    ) {
        items[key] = value
    }

    override fun remove(key: String) {
        items.remove(key)
    }
}

/**
 * A file for each key, in a folder that only this user reads. A file is replaced as a whole, so a crash leaves the old one or the
 * new one; several processes may share the folder.
 *
 * On Android: `FileStorage(context.noBackupFilesDir.resolve("grandstand"))`. A folder that is backed up would make two devices
 * one fan.
 */
public class FileStorage(
    folder: File,
) : KeyValueStorage {
    private val folder = folder.absoluteFile.normalize()

    override fun get(key: String): String? {
        val file = fileOf(key)
        return if (file.exists()) file.readText() else null
    }

    override fun set(
        key: String,
        value: String,
    ) {
        makeFolder()
        val file = fileOf(key)
        val next = File.createTempFile("next", ".tmp", folder)
        try {
            FileOutputStream(next).use {
                it.write(value.toByteArray())
                it.fd.sync()
            }
            // Windows renames to no name that is taken.
            if (!next.renameTo(file) && !(file.delete() && next.renameTo(file))) throw IOException("$file could not be written")
        } finally {
            next.delete()
        }
    }

    override fun remove(key: String) {
        val file = fileOf(key)
        if (!file.delete() && file.exists()) throw IOException("$file could not be removed")
    }

    override fun equals(other: Any?): Boolean = other is FileStorage && other.folder == folder

    override fun hashCode(): Int = folder.hashCode()

    /** Held by one process at a time. */
    internal fun lock(): Closeable {
        makeFolder()
        val file = RandomAccessFile(File(folder, "lock"), "rw")
        try {
            file.channel.lock()
        } catch (error: Exception) {
            file.close()
            throw error
        }
        return file
    }

    private fun makeFolder() {
        if (folder.isDirectory || !folder.mkdirs()) return
        // For nobody, then for its owner.
        folder.setReadable(false, false)
        folder.setReadable(true, true)
        folder.setExecutable(false, false)
        folder.setExecutable(true, true)
        folder.setWritable(false, false)
        folder.setWritable(true, true)
    }

    /** What no file system takes in a name is written as its code. */
    private fun fileOf(key: String): File = File(folder, key.replace(NOT_IN_NAMES) { "%${it.value[0].code.toString(16).padStart(4, '0')}" })
}

private val NOT_IN_NAMES = Regex("[^A-Za-z0-9._-]")

/** What all clients on one storage share: their turn, and what the storage refused to keep. */
private class Shared {
    val turn = Mutex()
    val queueTurn = Mutex()
    val memory = ConcurrentHashMap<String, String>()
}

/** A storage that is in use somewhere, and what it shares with those that are equal to it. */
private class Known(
    storage: KeyValueStorage,
    val shared: Shared,
) {
    private val reference = WeakReference(storage)
    val storage get() = reference.get()
}

private val known = ArrayList<Known>()

/** As long as one of several equal storages is there, what they share is, too. */
private fun sharedBy(storage: KeyValueStorage): Shared =
    synchronized(known) {
        known.removeAll { it.storage == null }
        val shared = known.firstOrNull { it.storage == storage }?.shared ?: Shared()
        if (known.none { it.storage === storage }) known += Known(storage, shared)
        shared
    }

/** The storage as the rest speaks to it: never on the caller's thread, and never failing; memory takes over what it refuses. */
internal class Store(
    private val storage: KeyValueStorage,
) {
    private val shared = sharedBy(storage)

    suspend fun get(key: String): String? = onDisk { shared.memory[key] ?: runCatching { storage.get(key) }.getOrNull() }

    /** A value that began to be kept is, whatever is cancelled. */
    suspend fun set(
        key: String,
        value: String,
    ): Unit =
        onDisk {
            if (runCatching { storage.set(key, value) }.isSuccess) shared.memory.remove(key) else shared.memory[key] = value
        }

    suspend fun remove(key: String): Unit =
        onDisk {
            shared.memory.remove(key)
            runCatching { storage.remove(key) }
        }

    /** One at a time among all that share the storage, other processes included where it is a folder. */
    suspend fun <T> inTurn(work: suspend () -> T): T =
        shared.turn.withLock {
            val lock = onDisk { runCatching { (storage as? FileStorage)?.lock() }.getOrNull() }
            try {
                work()
            } finally {
                onDisk { lock?.close() }
            }
        }

    /** The same for the list of what waits: never held over a request. */
    suspend fun <T> inQueueTurn(work: suspend () -> T): T = shared.queueTurn.withLock { work() }
}

/** On a thread that may wait; what began is finished, whatever is cancelled. */
internal suspend fun <T> onDisk(work: () -> T): T = withContext(Dispatchers.IO + NonCancellable) { work() }
