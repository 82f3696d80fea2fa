// Every name of `@grandstand/sdk/livelike`; livelike.ts adds the default export.

import { refusing } from './not-offered.ts';
import { userProfile } from './names.ts';

export * from './names.ts';
export * from './livelike-elements.ts';
export { NotOfferedError } from './not-offered.ts';

/** Their state, as far as pages look at it. */
export const _$$ = {
  get ready(): boolean {
    return userProfile.id !== '';
  },
};
export const _config = _$$;
export const hasDebugLogger = (): boolean => false;

const analyticsAndPollingOfLiveLike = refusing('Analytics and polling of LiveLike');
export const getAnalyticsProvider = analyticsAndPollingOfLiveLike('getAnalyticsProvider');
export const getApiPollingInterval = analyticsAndPollingOfLiveLike('getApiPollingInterval');
export const setAnalyticsProvider = analyticsAndPollingOfLiveLike('setAnalyticsProvider');
export const setApiPollingInterval = analyticsAndPollingOfLiveLike('setApiPollingInterval');

const badges = refusing('Badges');
export const getApplicationBadges = badges('getApplicationBadges');
export const getBadgeProfiles = badges('getBadgeProfiles');
export const getBadgeProgress = badges('getBadgeProgress');
export const getProfileBadges = badges('getProfileBadges');

const blocksBetweenProfiles = refusing('Blocks between profiles');
export const blockProfile = blocksBetweenProfiles('blockProfile');
export const getBlockInfoList = blocksBetweenProfiles('getBlockInfoList');
export const getBlockProfileIdsResource = blocksBetweenProfiles('getBlockProfileIdsResource');
export const getBlockedProfileIds = blocksBetweenProfiles('getBlockedProfileIds');
export const getProfileBlockInfo = blocksBetweenProfiles('getProfileBlockInfo');
export const unblockProfile = blocksBetweenProfiles('unblockProfile');

const chatRooms = refusing('Chat rooms');
export const addChatRoomEventListener = chatRooms('addChatRoomEventListener');
export const addMessageListener = chatRooms('addMessageListener');
export const addNewMemberToChatRoom = chatRooms('addNewMemberToChatRoom');
export const createChatRoom = chatRooms('createChatRoom');
export const deleteChatRoomInvitation = chatRooms('deleteChatRoomInvitation');
export const deleteMessage = chatRooms('deleteMessage');
export const getChatRoom = chatRooms('getChatRoom');
export const getChatRoomMemberships = chatRooms('getChatRoomMemberships');
export const getChatRooms = chatRooms('getChatRooms');
export const getChatUserMutedStatus = chatRooms('getChatUserMutedStatus');
export const getMessageCount = chatRooms('getMessageCount');
export const getMessageList = chatRooms('getMessageList');
export const getPinMessageInfoList = chatRooms('getPinMessageInfoList');
export const getProfileChatRoomMemberships = chatRooms('getProfileChatRoomMemberships');
export const getReceivedChatRoomInvitations = chatRooms('getReceivedChatRoomInvitations');
export const getSentChatRoomInvitations = chatRooms('getSentChatRoomInvitations');
export const getTokenGatedChatRoomAccessDetails = chatRooms('getTokenGatedChatRoomAccessDetails');
export const isChatMessageResponsePayload = chatRooms('isChatMessageResponsePayload');
export const isChatUserMessageResponsePayload = chatRooms('isChatUserMessageResponsePayload');
export const isCustomMessageResponsePayload = chatRooms('isCustomMessageResponsePayload');
export const isQuoteMessagePayload = chatRooms('isQuoteMessagePayload');
export const joinChatRoom = chatRooms('joinChatRoom');
export const leaveChatRoom = chatRooms('leaveChatRoom');
export const pinMessage = chatRooms('pinMessage');
export const prepareOutgoingChatMessage = chatRooms('prepareOutgoingChatMessage');
export const quoteMessage = chatRooms('quoteMessage');
export const removeChatRoomEventListener = chatRooms('removeChatRoomEventListener');
export const removeMessageListener = chatRooms('removeMessageListener');
export const reportMessage = chatRooms('reportMessage');
export const sendChatRoomInviteToProfile = chatRooms('sendChatRoomInviteToProfile');
export const sendCustomMessage = chatRooms('sendCustomMessage');
export const sendMessage = chatRooms('sendMessage');
export const unpinMessage = chatRooms('unpinMessage');
export const updateChatRoom = chatRooms('updateChatRoom');
export const updateChatRoomInviteStatus = chatRooms('updateChatRoomInviteStatus');
export const uploadImage = chatRooms('uploadImage');

const comments = refusing('Comments');
export const addComment = comments('addComment');
export const addCommentReply = comments('addCommentReply');
export const createCommentBoard = comments('createCommentBoard');
export const createCommentBoardBan = comments('createCommentBoardBan');
export const createCommentReport = comments('createCommentReport');
export const deleteComment = comments('deleteComment');
export const deleteCommentBoard = comments('deleteCommentBoard');
export const deleteCommentBoardBan = comments('deleteCommentBoardBan');
export const deleteCommentReport = comments('deleteCommentReport');
export const dismissAllCommentReports = comments('dismissAllCommentReports');
export const dismissCommentReport = comments('dismissCommentReport');
export const editComment = comments('editComment');
export const getComment = comments('getComment');
export const getCommentBoardBan = comments('getCommentBoardBan');
export const getCommentBoardBans = comments('getCommentBoardBans');
export const getCommentBoardDetails = comments('getCommentBoardDetails');
export const getCommentBoards = comments('getCommentBoards');
export const getCommentReplies = comments('getCommentReplies');
export const getCommentReport = comments('getCommentReport');
export const getCommentReports = comments('getCommentReports');
export const getComments = comments('getComments');
export const updateCommentBoard = comments('updateCommentBoard');

const leaderboards = refusing('Leaderboards');
export const getLeaderboard = leaderboards('getLeaderboard');
export const getLeaderboardEntries = leaderboards('getLeaderboardEntries');
export const getLeaderboardProfileRank = leaderboards('getLeaderboardProfileRank');
export const getLeaderboards = leaderboards('getLeaderboards');
export const getProfileLeaderboardViews = leaderboards('getProfileLeaderboardViews');
export const getProfileLeaderboards = leaderboards('getProfileLeaderboards');

const listsOfWhoIsPresent = refusing('Lists of who is present');
export const addPresenceListener = listsOfWhoIsPresent('addPresenceListener');
export const getPresenceChannelUsers = listsOfWhoIsPresent('getPresenceChannelUsers');
export const getPresenceUserAttributes = listsOfWhoIsPresent('getPresenceUserAttributes');
export const getPresenceUserChannels = listsOfWhoIsPresent('getPresenceUserChannels');
export const joinPresenceChannel = listsOfWhoIsPresent('joinPresenceChannel');
export const leavePresenceChannel = listsOfWhoIsPresent('leavePresenceChannel');
export const removePresenceListener = listsOfWhoIsPresent('removePresenceListener');
export const setPresenceUserAttributes = listsOfWhoIsPresent('setPresenceUserAttributes');

const picturesOfOtherServices = refusing('Pictures of other services');
export const getGifs = picturesOfOtherServices('getGifs');

const programs = refusing('Programs');
export const addProgramListener = programs('addProgramListener');
export const getProgramDateTime = programs('getProgramDateTime');
export const removeProgramListener = programs('removeProgramListener');

const quests = refusing('Quests');
export const claimUserQuestRewards = quests('claimUserQuestRewards');
export const getQuestRewards = quests('getQuestRewards');
export const getQuests = quests('getQuests');
export const getUserQuestRewards = quests('getUserQuestRewards');
export const getUserQuests = quests('getUserQuests');
export const incrementUserQuestTaskProgress = quests('incrementUserQuestTaskProgress');
export const setUserQuestTaskProgress = quests('setUserQuestTaskProgress');
export const startUserQuest = quests('startUserQuest');
export const updateUserQuestTasks = quests('updateUserQuestTasks');

const reactions = refusing('Reactions');
export const addReactionSpaceEventListener = reactions('addReactionSpaceEventListener');
export const addUserReaction = reactions('addUserReaction');
export const createReactionSpace = reactions('createReactionSpace');
export const deleteReactionSpace = reactions('deleteReactionSpace');
export const getReactionPackDetail = reactions('getReactionPackDetail');
export const getReactionPacks = reactions('getReactionPacks');
export const getReactionSpaceDetail = reactions('getReactionSpaceDetail');
export const getReactionSpaces = reactions('getReactionSpaces');
export const getUserReactions = reactions('getUserReactions');
export const getUserReactionsCount = reactions('getUserReactionsCount');
export const removeReactionSpaceEventListener = reactions('removeReactionSpaceEventListener');
export const removeUserReaction = reactions('removeUserReaction');
export const updateReactionSpace = reactions('updateReactionSpace');

const redemptionKeys = refusing('Redemption keys');
export const getRedemptionKeys = redemptionKeys('getRedemptionKeys');
export const redeemKeyByCode = redemptionKeys('redeemKeyByCode');
export const redeemKeyById = redemptionKeys('redeemKeyById');
export const unassignRedemptionKey = redemptionKeys('unassignRedemptionKey');

const relationshipsBetweenProfiles = refusing('Relationships between profiles');
export const createProfileRelationship = relationshipsBetweenProfiles('createProfileRelationship');
export const deleteProfileRelationship = relationshipsBetweenProfiles('deleteProfileRelationship');
export const getProfileRelationshipDetails = relationshipsBetweenProfiles('getProfileRelationshipDetails');
export const getProfileRelationshipTypes = relationshipsBetweenProfiles('getProfileRelationshipTypes');
export const getProfileRelationships = relationshipsBetweenProfiles('getProfileRelationships');

const rewards = refusing('Rewards');
export const addRewardEventListener = rewards('addRewardEventListener');
export const getApplicationRewardItems = rewards('getApplicationRewardItems');
export const getInvokedRewardActions = rewards('getInvokedRewardActions');
export const getRewardActions = rewards('getRewardActions');
export const getRewardItemBalances = rewards('getRewardItemBalances');
export const getRewardItemTransfers = rewards('getRewardItemTransfers');
export const getRewardTransactions = rewards('getRewardTransactions');
export const removeRewardEventListener = rewards('removeRewardEventListener');
export const transferRewardItemAmount = rewards('transferRewardItemAmount');

const smartContracts = refusing('Smart contracts');
export const getSmartContracts = smartContracts('getSmartContracts');

const sponsors = refusing('Sponsors');
export const getApplicationSponsors = sponsors('getApplicationSponsors');
export const getChatRoomSponsors = sponsors('getChatRoomSponsors');
export const getProgramSponsors = sponsors('getProgramSponsors');
export const getSponsors = sponsors('getSponsors');

const stickers = refusing('Stickers');
export const getStickerPackDetail = stickers('getStickerPackDetail');
export const getStickerPacks = stickers('getStickerPacks');

const themesAndElementsOfPages = refusing('Themes and elements of pages');
export const applyLocalization = themesAndElementsOfPages('applyLocalization');
export const applyTheme = themesAndElementsOfPages('applyTheme');
export const html = themesAndElementsOfPages('html');
export const property = themesAndElementsOfPages('property');

const videoRooms = refusing('Video rooms');
export const createVideoRoom = videoRooms('createVideoRoom');
export const getVideoRoom = videoRooms('getVideoRoom');

const widgets = refusing('Widgets');
export const addWidgetListener = widgets('addWidgetListener');
export const claimPredictionWidgetRewards = widgets('claimPredictionWidgetRewards');
export const createAlertWidget = widgets('createAlertWidget');
export const createImageNumberPredictionWidget = widgets('createImageNumberPredictionWidget');
export const createImagePollWidget = widgets('createImagePollWidget');
export const createImagePredictionWidget = widgets('createImagePredictionWidget');
export const createImageQuizWidget = widgets('createImageQuizWidget');
export const createNumberPredictionFollowUpWidget = widgets('createNumberPredictionFollowUpWidget');
export const createPredictionFollowUpWidget = widgets('createPredictionFollowUpWidget');
export const createTextAskWidget = widgets('createTextAskWidget');
export const createTextPollWidget = widgets('createTextPollWidget');
export const createTextPredictionWidget = widgets('createTextPredictionWidget');
export const createTextQuizWidget = widgets('createTextQuizWidget');
export const createWidgetImpression = widgets('createWidgetImpression');
export const createWidgetInteraction = widgets('createWidgetInteraction');
export const deleteWidget = widgets('deleteWidget');
export const getPostedWidgets = widgets('getPostedWidgets');
export const getTargetedWidgetIdAndKind = widgets('getTargetedWidgetIdAndKind');
export const getUnclaimedWidgetInteractionsRewards = widgets('getUnclaimedWidgetInteractionsRewards');
export const getUpdatedWidgetInteraction = widgets('getUpdatedWidgetInteraction');
export const getWidget = widgets('getWidget');
export const getWidgetInteractions = widgets('getWidgetInteractions');
export const getWidgets = widgets('getWidgets');
export const getWidgetsInteractions = widgets('getWidgetsInteractions');
export const interactiveTimelineMode = widgets('interactiveTimelineMode');
export const isNumberPredictionItem = widgets('isNumberPredictionItem');
export const isSliderInteractionItem = widgets('isSliderInteractionItem');
export const isTextAskInteractionItem = widgets('isTextAskInteractionItem');
export const isWidgetChoiceItem = widgets('isWidgetChoiceItem');
export const isWidgetOptionItem = widgets('isWidgetOptionItem');
export const popupMode = widgets('popupMode');
export const publishWidget = widgets('publishWidget');
export const registerWidgetMode = widgets('registerWidgetMode');
export const removeWidgetListener = widgets('removeWidgetListener');
export const updateImageNumberPredictionWidgetOption = widgets('updateImageNumberPredictionWidgetOption');
export const updateImagePredictionWidgetOption = widgets('updateImagePredictionWidgetOption');
export const updateTextPredictionWidgetOption = widgets('updateTextPredictionWidgetOption');
export const updateWidgetInteraction = widgets('updateWidgetInteraction');

const helpersOfLiveLike = refusing('Helpers of LiveLike');
export const getMilliseconds = helpersOfLiveLike('getMilliseconds');
export const throttle = helpersOfLiveLike('throttle');
