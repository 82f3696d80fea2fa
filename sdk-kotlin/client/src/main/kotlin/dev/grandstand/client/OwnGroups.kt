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
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.shareIn
import kotlinx.coroutines.flow.transformLatest
import kotlinx.serialization.Serializable
import kotlinx.serialization.builtins.ListSerializer
import kotlin.random.Random

/** Between two streams where the server ended the first in good order. */
private const val PAUSE_MS = 1000L

private val LIST = ListSerializer(GroupMembership.serializer())

@Serializable
private class Page(
    val next: String? = null,
    val results: List<GroupMembership>,
)

internal class OwnGroups(
    private val http: Http,
    private val config: ClientConfig,
    private val identity: Flow<Identity?>,
    private val own: suspend () -> Own,
    scope: CoroutineScope,
) {
    /** The own groups of whoever is the fan now: nobody has none. A failure ends what listens. */
    @OptIn(ExperimentalCoroutinesApi::class)
    private val lists: Flow<Result<List<GroupMembership>>> =
        flow {
            var wasKnown = false
            identity.map { it?.own?.profile?.id }.distinctUntilChanged().collect {
                if (it != null || wasKnown) emit(it)
                wasKnown = true
            }
        }.transformLatest { if (it == null) emit(Result.success(emptyList())) else follow() }
            .shareIn(scope, SharingStarted.WhileSubscribed(replayExpirationMillis = 0), replay = 1)

    /** The present groups, then each list that differs from the one before. */
    fun groups(): Flow<List<GroupMembership>> =
        lists
            .map { it.getOrThrow() }
            .distinctUntilChanged { before, now -> before.mapTo(HashSet()) { it.groupId } == now.mapTo(HashSet()) { it.groupId } }

    fun changes(): Flow<GroupsChange> =
        flow {
            var before: List<GroupMembership>? = null
            groups().collect { now ->
                val last = before ?: now
                before = now
                emit(GroupsChange(now, entered = without(now, last), left = without(last, now)))
            }
        }

    fun membership(group: String): Flow<Boolean> = groups().map { includes(it, group) }.distinctUntilChanged()

    suspend fun isMember(group: String): Boolean = includes(list(), group)

    suspend fun list(): List<GroupMembership> {
        val all = ArrayList<GroupMembership>()
        var query: String? = "?page_size=100"
        while (query != null) {
            val own = own()
            val page =
                read(
                    http.request(Sent("GET", pathOf(own) + query, token = own.token)),
                ) { json.decodeFromJsonElement(Page.serializer(), it) }
            all += page.results
            query = page.next?.let { it.substring(it.indexOf('?')) }
        }
        return all
    }

    private suspend fun FlowCollector<Result<List<GroupMembership>>>.follow() {
        while (true) {
            try {
                val own = own()
                http.stream("${pathOf(own)}events/", own.token) { text ->
                    emit(Result.success(read(json.parseToJsonElement(text)) { json.decodeFromJsonElement(LIST, it) }))
                }
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

private fun without(
    list: List<GroupMembership>,
    other: List<GroupMembership>,
): List<GroupMembership> = list.filter { group -> other.none { it.groupId == group.groupId } }
