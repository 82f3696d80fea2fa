package dev.grandstand.client

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeoutOrNull
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.File
import java.lang.ref.WeakReference

class StorageTest {
    @TempDir lateinit var folder: File

    private fun useOnce(): WeakReference<FileStorage> {
        val storage = FileStorage(folder)
        Store(storage)
        return WeakReference(storage)
    }

    @Test
    fun `equal storages take their turns, also once the first of them is gone`(): Unit =
        runBlocking {
            val first = useOnce()
            val second = Store(FileStorage(folder))
            eventually {
                System.gc()
                first.get() == null
            }
            val third = Store(FileStorage(File(folder, ".")))
            val (isIn, end) = List(2) { CompletableDeferred<Unit>() }
            val holding =
                launch {
                    second.inQueueTurn {
                        isIn.complete(Unit)
                        end.await()
                    }
                }
            isIn.await()
            assertNull(withTimeoutOrNull(100) { third.inQueueTurn { "entered" } })
            end.complete(Unit)
            assertEquals("entered", third.inQueueTurn { "entered" })
            holding.join()
        }
}
