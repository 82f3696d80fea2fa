package dev.grandstand.samples

import android.content.SharedPreferences
import dev.grandstand.client.KeyValueStorage

/** Preferences of an Android app; encrypted ones as well. */
public class PreferencesStorage(
    private val preferences: SharedPreferences,
) : KeyValueStorage {
    override fun get(key: String): String? = preferences.getString(key, null)

    override fun set(
        key: String,
        value: String,
    ) {
        check(preferences.edit().putString(key, value).commit()) { "The preferences could not be written." }
    }

    override fun remove(key: String) {
        check(preferences.edit().remove(key).commit()) { "The preferences could not be written." }
    }
}
