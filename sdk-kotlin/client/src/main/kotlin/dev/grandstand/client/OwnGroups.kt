// The groups that the own profile is in, and word of their changes: one stream of server-sent events for all who listen, a
// question every few seconds where streams do not get through. Both bring the whole list, and what changed is the
// difference to the list before; so nothing is missed by a connection that broke.

package dev.grandstand.client

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.FlowCollector
import kotlinx.coroutines.flow.SharingStarted
import kotlinx.coroutines.flow.distinctUntilChanged
import kotlinx.coroutines.flow.distinctUntilChangedBy
import kotlinx.coroutines.flow.dropWhile
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.shareIn
import kotlinx.coroutines.flow.transformLatest
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlin.random.Random

/** Between two streams where the server ended the first in good order. */
private const val PAUSE_MS = 1000L

internal class OwnGroups(
    private val http: Http,
    private val config: ClientConfig,
    profile: Flow<Profile?>,
    private val own: suspend () -> Own,
    scope: CoroutineScope,
) {
    /** The own groups of whoever is the fan now: nobody has none. A failure ends what listens. */
    @OptIn(ExperimentalCoroutinesApi::class)
    private val lists: Flow<Result<List<GroupMembership>>> =
        profile
            .distinctUntilChangedBy { it?.id }
            .dropWhile { it == null }
            .transformLatest { if (it == null) emit(Result.success(emptyList())) else follow() }
            .shareIn(scope, SharingStarted.WhileSubscribed(replayExpirationMillis = 0), replay = 1)

    /** The present groups, then each list that differs from the one before. */
    fun groups(): Flow<List<GroupMembership>> =
        lists.with { it.getOrThrow() }.distinctUntilChangedBy { list -> list.mapTo(HashSet()) { it.groupId } }

    fun changes(): Flow<GroupsChange> =
        flow {
            var before: List<GroupMembership>? = null
            groups().collect { now ->
                val last = before ?: now
                before = now
                emit(GroupsChange(now, entered = without(now, last), left = without(last, now)))
            }
        }

    fun membership(group: String): Flow<Boolean> = groups().with { includes(it, group) }.distinctUntilChanged()

    suspend fun isMember(group: String): Boolean = includes(list(), group)

    suspend fun list(): List<GroupMembership> {
        val all = ArrayList<GroupMembership>()
        var query: String? = "?page_size=100"
        while (query != null) {
            val own = own()
            val answer = http.request(Sent("GET", pathOf(own) + query, token = own.token))
            all += read(answer) { requireNotNull(it.jsonObject["results"]).jsonArray.map(::membershipOf) }
            query = read(answer) { it.textOrNull("next") }?.let { "?" + it.substringAfter('?') }
        }
        return all
    }

    private suspend fun FlowCollector<Result<List<GroupMembership>>>.follow() {
        while (true) {
            try {
                val own = own()
                http.events("${pathOf(own)}events/", own.token).collect { emit(Result.success(groupsOf(it))) }
                delay(PAUSE_MS)
            } catch (error: GrandstandException) {
                if (error is InvalidTokenException) return emit(Result.failure(error))
                runCatching { config.onStreamError(error) }
                poll()
                delay((config.pollIntervalMillis * (0.5 + Random.nextDouble())).toLong())
            }
        }
    }

    private suspend fun FlowCollector<Result<List<GroupMembership>>>.poll() {
        val now =
            try {
                list()
            } catch (_: GrandstandException) {
                return // it is asked again
            }
        emit(Result.success(now))
    }

    private fun pathOf(own: Own) = "applications/${config.clientId}/profiles/${segment(own.profile.id)}/profile-groups/"
}

/** Whether a list has a group, named by its id, its custom id, or `custom:` and that. */
internal fun includes(
    groups: List<GroupMembership>,
    group: String,
): Boolean =
    groups.any { it.groupId == group || (it.customId != null && (it.customId == group || it.customId == group.removePrefix("custom:"))) }

/** What stands in an event. */
private fun groupsOf(text: String): List<GroupMembership> = read { json.parseToJsonElement(text).jsonArray.map(::membershipOf) }

/** As `map`, which would be three classes at each place. */
private fun <T, R> Flow<T>.with(change: (T) -> R): Flow<R> = flow { collect { emit(change(it)) } }

private fun without(
    list: List<GroupMembership>,
    other: List<GroupMembership>,
): List<GroupMembership> = list.filter { group -> other.none { it.groupId == group.groupId } }
