// Names of LiveLike's SDKs that are no calls: values, objects that hold calls, elements.

import { constants, controller } from './not-offered.ts';

export const ApiStreamTopic = constants();
export const BlockchainNetworkType = constants();
export const BlockchainTokenType = constants();
export const CHOICE_WIDGET_KIND = constants();
export const ChatMessageEvent = constants();
export const ChatRoomAccessStatus = constants();
export const ChatRoomApiStreamCategory = constants();
export const ChatRoomEvent = constants();
export const ChatRoomInvitationStatus = constants();
export const ChatUserMessageEventType = constants();
export const CommentContentFilter = constants();
export const CommentReportStatus = constants();
export const CommentSort = constants();
export const ConfirmationType = constants();
export const DEFAULT_CONFIRM_ACTIONS = constants();
export const Events = constants();
export const FOLLOW_UP_WIDGET_UPDATED_EVENT = constants();
export const HTTP_METHOD = constants();
export const InteractableWidgetKind = constants();
export const MULTI_INTERACTION_WIDGET_KINDS = constants();
export const MessageContentFilter = constants();
export const MessageEvents = constants();
export const OPTION_WIDGET_KIND = constants();
export const PREDICTION_FOLLOW_UP_TO_PREDICTION_WIDGET_KIND = constants();
export const PREDICTION_FOLLOW_UP_WIDGET_KIND = constants();
export const PREDICTION_WIDGET_ID_PROP = constants();
export const PREDICTION_WIDGET_KIND = constants();
export const PresenceActionEvent = constants();
export const QuestRewardStatus = constants();
export const QuestStatus = constants();
export const ReactionSpaceEvent = constants();
export const RedemptionKeyStatus = constants();
export const RewardActionType = constants();
export const RewardEvent = constants();
export const RewardItemTransferType = constants();
export const SINGLE_INTERACTION_WIDGET_KINDS = constants();
export const UNSUPPORTED_UPDATE_INTERACTION_WIDGET_KINDS = constants();
export const UserQuestStatus = constants();
export const VideoRoomBannerType = constants();
export const VideoRoomConnectionState = constants();
export const VideoRoomError = constants();
export const VideoRoomEvent = constants();
export const WIDGET_RESULTS = constants();
export const WidgetCreatedEvent = constants();
export const WidgetKind = constants();
export const WidgetPhase = constants();
export const WidgetResults = constants();
export const WidgetStatus = constants();
export const chatUserMessageEvents = constants();
export const interactiveWidgets = constants();
export const shortPollingCoordinator = constants();
export const subscriptionCoordinator = constants();
export const widgetEndPhase = constants();
export const widgetKindVote = constants();

export const commentController = controller('commentController');
export const bannerController = controller('bannerController');
export const reactionPackController = controller('reactionPackController');
export const reactionSpaceController = controller('reactionSpaceController');
export const userReactionController = controller('userReactionController');

export {
  NotOffered as HlsJsSyncStrategy,
  NotOffered as LitElement,
  NotOffered as LiveLikeAlert,
  NotOffered as LiveLikeBanner,
  NotOffered as LiveLikeChat,
  NotOffered as LiveLikeChatComposer,
  NotOffered as LiveLikeChatMessageItem,
  NotOffered as LiveLikeChatUserSetting,
  NotOffered as LiveLikeCheerMeter,
  NotOffered as LiveLikeCommentBoardHeader,
  NotOffered as LiveLikeCommentBody,
  NotOffered as LiveLikeCommentComposer,
  NotOffered as LiveLikeCommentEmpty,
  NotOffered as LiveLikeCommentFooter,
  NotOffered as LiveLikeCommentHeader,
  NotOffered as LiveLikeCommentItem,
  NotOffered as LiveLikeCommentList,
  NotOffered as LiveLikeCommentMenu,
  NotOffered as LiveLikeCommentReplyCountPreview,
  NotOffered as LiveLikeComments,
  NotOffered as LiveLikeConfirmation,
  NotOffered as LiveLikeDescription,
  NotOffered as LiveLikeDismissButton,
  NotOffered as LiveLikeDuelingProgress,
  NotOffered as LiveLikeEmbedReaction,
  NotOffered as LiveLikeEmojiSlider,
  NotOffered as LiveLikeFollowUp,
  NotOffered as LiveLikeGiphyPicker,
  NotOffered as LiveLikeImage,
  NotOffered as LiveLikeLiveChat,
  NotOffered as LiveLikeLiveChatComposer,
  NotOffered as LiveLikeLiveChatConfirmation,
  NotOffered as LiveLikeLiveChatMessageItem,
  NotOffered as LiveLikeLiveChatMessageItemMenu,
  NotOffered as LiveLikeLiveChatMessageList,
  NotOffered as LiveLikeLiveChatModal,
  NotOffered as LiveLikeLiveChatQuoteMessageItem,
  NotOffered as LiveLikeLiveChatScrollDown,
  NotOffered as LiveLikeLiveChatSticker,
  NotOffered as LiveLikeLiveChatStickerPicker,
  NotOffered as LiveLikeLiveChatVirtualisedMessageList,
  NotOffered as LiveLikeMessageList,
  NotOffered as LiveLikeMessageListScrollDown,
  NotOffered as LiveLikeMessageMenu,
  NotOffered as LiveLikeNumberFollowUp,
  NotOffered as LiveLikeNumberPrediction,
  NotOffered as LiveLikeOption,
  NotOffered as LiveLikePercentage,
  NotOffered as LiveLikePoll,
  NotOffered as LiveLikePrediction,
  NotOffered as LiveLikeProgress,
  NotOffered as LiveLikeQuiz,
  NotOffered as LiveLikeQuoteMessageItem,
  NotOffered as LiveLikeReaction,
  NotOffered as LiveLikeReactionPicker,
  NotOffered as LiveLikeReplyList,
  NotOffered as LiveLikeRichPost,
  NotOffered as LiveLikeSelect,
  NotOffered as LiveLikeSocialEmbed,
  NotOffered as LiveLikeSponsor,
  NotOffered as LiveLikeStickerPicker,
  NotOffered as LiveLikeTextAsk,
  NotOffered as LiveLikeTimer,
  NotOffered as LiveLikeTitle,
  NotOffered as LiveLikeVideo,
  NotOffered as LiveLikeVideoAlert,
  NotOffered as LiveLikeVoteCount,
  NotOffered as LiveLikeWidget,
  NotOffered as LiveLikeWidgetBody,
  NotOffered as LiveLikeWidgetBylines,
  NotOffered as LiveLikeWidgetElement,
  NotOffered as LiveLikeWidgetFooter,
  NotOffered as LiveLikeWidgetHeader,
  NotOffered as LiveLikeWidgetMixin,
  NotOffered as LiveLikeWidgetRoot,
  NotOffered as LiveLikeWidgets,
  NotOffered as LivelikeChatMessageAvatar,
  NotOffered as LoadPreviousMessage,
  NotOffered as ProgramDateTimeSyncStrategy,
} from './not-offered.ts';
