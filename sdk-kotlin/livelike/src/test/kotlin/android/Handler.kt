@file:Suppress("PackageDirectoryMismatch", "ktlint:standard:package-name")

package android.os

import java.util.concurrent.Executors

class Looper {
    val thread = Executors.newSingleThreadExecutor { Thread(it, "main of the phone").apply { isDaemon = true } }
}

class Handler(
    private val looper: Looper,
) {
    fun post(work: Runnable): Boolean {
        looper.thread.execute(work)
        return true
    }
}
