// As much of a phone as the SDK asks for: a folder, and a main thread.

@file:Suppress("PackageDirectoryMismatch", "ktlint:standard:package-name")

package android.content

import android.content.pm.ApplicationInfo
import android.os.Looper
import java.io.File

class Context(
    folder: File,
) {
    val applicationInfo: ApplicationInfo = ApplicationInfo().also { it.dataDir = folder.path }
    val mainLooper: Looper = Looper()
}
