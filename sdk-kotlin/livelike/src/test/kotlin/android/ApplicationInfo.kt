@file:Suppress("PackageDirectoryMismatch", "ktlint:standard:package-name")

package android.content.pm

class ApplicationInfo {
    @JvmField var dataDir: String = ""
}
