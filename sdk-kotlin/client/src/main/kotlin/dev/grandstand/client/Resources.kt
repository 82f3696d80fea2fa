// The server's resources as a fan's own token sees them. Newer servers may send further fields, which are left out.

package dev.grandstand.client

import kotlinx.serialization.json.JsonObject

/** A named fact about a profile. A key may stand several times, with different values. */
public data class Attribute(
    val key: String,
    val value: String,
)

/** A fan. Instants are ISO 8601 in UTC. */
public data class Profile(
    /** UUID. */
    val id: String,
    val nickname: String,
    val clientId: String? = null,
    val url: String = "",
    val createdAt: String = "",
    val updatedAt: String = "",
    /** The newest activity, null while there is none. */
    val lastActiveAt: String? = null,
    /** The application's own id of this fan, set by its back end. */
    val customId: String? = null,
    /** Anything of the application's, kept byte for byte. */
    val customData: String? = null,
    val attributes: List<Attribute> = emptyList(),
)

/** What other profiles may see of a profile. */
public data class PublicProfile(
    val id: String,
    val nickname: String,
    val url: String = "",
    val createdAt: String = "",
    val attributes: List<Attribute> = emptyList(),
)

/** A group that a profile is a member of. */
public data class GroupMembership(
    val groupId: String,
    val groupName: String = "",
    val profileCount: Long = 0,
    val createdAt: String = "",
    val customId: String? = null,
)

/** The groups of the own profile now, and against the time before; at first nothing entered or left. */
public data class GroupsChange(
    val groups: List<GroupMembership>,
    val entered: List<GroupMembership>,
    val left: List<GroupMembership>,
)

/** One thing that a fan did, as it is sent. */
public data class Activity(
    /** Unique among the fan's; the same id again changes nothing. */
    val id: String,
    val type: String,
    val occurredAt: String? = null,
    val value: Long? = null,
    val data: JsonObject? = null,
)

/** Activities that will never reach the server, and why. */
public class Drop internal constructor(
    public val reason: Reason,
    public val activities: List<Activity>,
    /** Of [Reason.REJECTED]: what was wrong with each, in the order of [activities]. */
    public val problems: List<String>,
) {
    public enum class Reason {
        /** More waited than `maxQueue`. */
        FULL,

        /** They cannot be written as JSON, or the server refused them for good. */
        REJECTED,
    }

    override fun toString(): String = "$reason: ${activities.joinToString { it.type }} $problems"
}
