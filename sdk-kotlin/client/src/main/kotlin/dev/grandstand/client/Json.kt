// The server's JSON as the types of this library, and back as it is stored and sent. By hand: what a compiler's plugin generates
// for the same is a fifth of the jar.

package dev.grandstand.client

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.long

internal val json: Json = Json

/** What a good answer holds; one that is something else is a portal's or proxy's, and may be right the next time. */
internal fun <T> read(reading: () -> T): T =
    try {
        reading()
    } catch (error: RuntimeException) {
        throw NetworkException("The answer is not a Grandstand server's.", error)
    }

internal fun <T> read(
    answer: JsonElement?,
    reading: (JsonElement) -> T,
): T = read { reading(requireNotNull(answer) { "There is no JSON." }) }

/** What was stored; null where it is nothing of this library's. */
internal fun <T> readStored(
    text: String?,
    reading: (JsonElement) -> T,
): T? = text?.let { runCatching { reading(json.parseToJsonElement(it)) }.getOrNull() }

private fun JsonElement.field(name: String): JsonElement? = jsonObject[name]?.takeIf { it != JsonNull }

/** Null where there is none; a number is no text. */
internal fun JsonElement.textOrNull(name: String): String? =
    field(name)?.let {
        require(it is JsonPrimitive && it.isString) { "'$name' is no text." }
        it.content
    }

internal fun JsonElement.text(name: String): String = requireNotNull(textOrNull(name)) { "There is no '$name'." }

internal fun JsonElement.number(name: String): Long? = (field(name) as JsonPrimitive?)?.long

internal fun JsonElement.flag(name: String): Boolean = (field(name) as JsonPrimitive?)?.booleanOrNull ?: false

internal fun <T> JsonElement.list(
    name: String,
    reading: (JsonElement) -> T,
): List<T> = field(name)?.jsonArray?.map(reading).orEmpty()

/** What is null is left out. */
internal fun objectOf(vararg fields: Pair<String, Any?>): JsonObject =
    JsonObject(fields.filter { it.second != null }.associate { (name, value) -> name to toJson(value) })

internal fun profileOf(json: JsonElement): Profile =
    Profile(
        id = json.text("id"),
        nickname = json.text("nickname"),
        clientId = json.textOrNull("client_id"),
        url = json.textOrNull("url").orEmpty(),
        createdAt = json.textOrNull("created_at").orEmpty(),
        updatedAt = json.textOrNull("updated_at").orEmpty(),
        lastActiveAt = json.textOrNull("last_active_at"),
        customId = json.textOrNull("custom_id"),
        customData = json.textOrNull("custom_data"),
        attributes = json.list("attributes", ::attributeOf),
    )

internal fun Profile.toJson(): JsonObject =
    objectOf(
        "id" to id,
        "nickname" to nickname,
        "client_id" to clientId,
        "url" to url,
        "created_at" to createdAt,
        "updated_at" to updatedAt,
        "last_active_at" to lastActiveAt,
        "custom_id" to customId,
        "custom_data" to customData,
        "attributes" to attributes.map { it.toJson() },
    )

private fun attributeOf(json: JsonElement) = Attribute(json.text("key"), json.text("value"))

internal fun Attribute.toJson(): JsonObject = objectOf("key" to key, "value" to value)

internal fun publicProfileOf(json: JsonElement): PublicProfile =
    PublicProfile(
        id = json.text("id"),
        nickname = json.text("nickname"),
        url = json.textOrNull("url").orEmpty(),
        createdAt = json.textOrNull("created_at").orEmpty(),
        attributes = json.list("attributes", ::attributeOf),
    )

internal fun membershipOf(json: JsonElement): GroupMembership =
    GroupMembership(
        groupId = json.text("group_id"),
        groupName = json.textOrNull("group_name").orEmpty(),
        profileCount = json.number("profile_count") ?: 0,
        createdAt = json.textOrNull("created_at").orEmpty(),
        customId = json.textOrNull("custom_id"),
    )

internal fun activityOf(json: JsonElement): Activity =
    Activity(
        id = json.text("id"),
        type = json.text("type"),
        occurredAt = json.textOrNull("occurred_at"),
        value = json.number("value"),
        data = json.field("data")?.jsonObject,
    )

internal fun Activity.toJson(): JsonObject =
    objectOf("id" to id, "type" to type, "occurred_at" to occurredAt, "value" to value, "data" to data)

internal fun List<Activity>.toJson(): JsonArray = JsonArray(map { it.toJson() })
