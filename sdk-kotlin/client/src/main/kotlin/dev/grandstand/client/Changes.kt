// What a fan may change about the own profile, and what a program has (numbers, instants, lists) as the JSON that travels.

package dev.grandstand.client

import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import java.time.Instant
import java.util.Date

/** Changes of the own profile. What is not named stays as it is. */
public class ProfileChanges {
    private val fields = LinkedHashMap<String, JsonElement>()
    private val set = ArrayList<JsonElement>()
    private val removed = ArrayList<JsonElement>()

    /** 1 to 100 characters. */
    public fun nickname(nickname: String): ProfileChanges = apply { fields["nickname"] = JsonPrimitive(nickname) }

    /** Anything of yours, at most 64 KiB; null takes it away. */
    public fun customData(customData: String?): ProfileChanges = apply { fields["custom_data"] = JsonPrimitive(customData) }

    /** All values of one key: text, numbers, booleans, instants, or a list of such; null or an empty list removes the key. */
    public fun attribute(
        key: String,
        value: Any?,
    ): ProfileChanges =
        apply {
            val values = if (value is Iterable<*>) value.toList() else listOfNotNull(value)
            if (values.isEmpty()) removed.add(JsonPrimitive(key))
            for (one in values) set.add(Attribute(key, textOf(key, one)).toJson())
        }

    /** As [attribute], for several keys. */
    public fun attributes(values: Map<String, Any?>): ProfileChanges = apply { for ((key, value) in values) attribute(key, value) }

    /** Instead of all attributes that a fan may write. */
    public fun replaceAttributes(attributes: List<Attribute>): ProfileChanges =
        apply { fields["attributes"] = JsonArray(attributes.map { it.toJson() }) }

    internal fun toJson(): JsonObject {
        if (set.isEmpty() && removed.isEmpty()) return JsonObject(fields)
        require("attributes" !in fields) { "Attributes are replaced as a whole or changed one by one, not both." }
        val patch = JsonObject(mapOf("set" to JsonArray(set), "remove" to JsonArray(removed)))
        return JsonObject(fields + ("attributes" to patch))
    }
}

private fun textOf(
    key: String,
    value: Any?,
): String =
    when (value) {
        is String, is Number, is Boolean, is Instant -> value.toString()
        is Date -> value.toInstant().toString()
        else -> throw IllegalArgumentException(
            "The attribute '$key' is a ${value?.javaClass?.simpleName}: text, numbers, booleans and instants are allowed.",
        )
    }

/** What a map of Kotlin or Java values is as JSON. */
internal fun toJson(value: Any?): JsonElement =
    when (value) {
        null -> JsonNull
        is JsonElement -> value
        is String -> JsonPrimitive(value)
        is Boolean -> JsonPrimitive(value)
        is Double -> JsonPrimitive(value.also { require(it.isFinite()) { "$it is no number of JSON." } })
        is Float -> JsonPrimitive(value.also { require(it.isFinite()) { "$it is no number of JSON." } })
        is Number -> JsonPrimitive(value)
        is Instant -> JsonPrimitive(value.toString())
        is Enum<*> -> JsonPrimitive(value.name)
        is Map<*, *> -> JsonObject(value.entries.associate { (key, item) -> key.toString() to toJson(item) })
        is Iterable<*> -> JsonArray(value.map { toJson(it) })
        is Array<*> -> JsonArray(value.map { toJson(it) })
        else -> throw IllegalArgumentException("A ${value.javaClass.name} has no JSON: text, numbers, booleans, lists and maps do.")
    }
